package eventlog

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// MaxKeyBytes bounds the key of an object: every store has room for it.
const MaxKeyBytes = 200

// CheckKey refuses an invalid key. A key is one or more names separated by /; a name consists of letters,
// digits and -_.= and does not begin with a point, so no key leads out of its folder.
func CheckKey(key string) error {
	if len(key) == 0 || len(key) > MaxKeyBytes {
		return fmt.Errorf("the key %.60q has %d bytes, 1 to %d are allowed", key, len(key), MaxKeyBytes)
	}
	begins := true
	for i := range len(key) {
		c := key[i]
		if !isKeyByte(c) || begins && (c == '.' || c == '/') {
			return fmt.Errorf("the key %q cannot have %q there", key, c)
		}
		begins = c == '/'
	}
	if begins {
		return fmt.Errorf("the key %q ends with /", key)
	}
	return nil
}

func isKeyByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '/' || c == '-' || c == '_' || c == '.' || c == '='
}

// MaxObjectBytes bounds an object that is read as a whole; a manifest has at most MaxManifestBytes.
const (
	MaxObjectBytes   = 256 << 20
	MaxManifestBytes = 1 << 20
)

// ErrTooLarge means that an object is larger than any that this system writes.
var ErrTooLarge = errors.New("it is larger than anything that is written there: restore it from a backup")

// CheckSize fails with ErrTooLarge when an object has more bytes than are read at most.
func CheckSize(key string, size int64) error {
	most := int64(MaxObjectBytes)
	if strings.HasPrefix(key, ManifestFolder) || !strings.Contains(key, "/") {
		most = MaxManifestBytes
	}
	if size > most {
		return fmt.Errorf("%w: %s has %d bytes, at most %d are read", ErrTooLarge, key, size, most)
	}
	return nil
}

// CheckPrefix refuses a prefix that no key can have; "" is a prefix of all.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckKey(strings.TrimSuffix(prefix, "/"))
}

// Check refuses a commit that no ledger may take.
func (c *Commit) Check() error {
	switch {
	case c.Source == "":
		return errors.New("a commit without a source")
	case c.Records < 1:
		return fmt.Errorf("a commit of %d records", c.Records)
	}
	return c.Manifest.Check()
}

// Check refuses a manifest that contradicts itself, or whose log has another number of partitions than this
// program.
func (m *Manifest) Check() error {
	if m.Partitions != Partitions {
		return fmt.Errorf("segment %d is divided into %d partitions, this program divides into %d: use the gakushoku that wrote it", m.First, m.Partitions, Partitions)
	}
	if m.First < 1 || m.Last < m.First {
		return fmt.Errorf("a segment cannot hold the events %d to %d", m.First, m.Last)
	}
	if err := CheckKey(m.Key); err != nil {
		return fmt.Errorf("segment %d: %w", m.First, err)
	}
	err := m.checkFrames()
	if err == nil {
		err = m.checkPrevious()
	}
	if err != nil {
		return fmt.Errorf("segment %d: %w", m.First, err)
	}
	return nil
}

// checkFrames checks that the frames follow one another in the order of partitions, without holes.
func (m *Manifest) checkFrames() error {
	offset, number, before := int64(0), m.First, -1
	for _, f := range m.Frames {
		if f.Partition <= before || f.Partition >= m.Partitions || f.Count < 1 || f.Length < 1 || f.Offset != offset || f.First != number {
			return fmt.Errorf("the frame of partition %d does not follow on the one before", f.Partition)
		}
		offset, number, before = offset+f.Length, number+uint64(f.Count), f.Partition
	}
	if number != m.Last+1 || offset != m.Bytes {
		return fmt.Errorf("its frames have %d events in %d bytes, not %d in %d", number-m.First, offset, m.Count(), m.Bytes)
	}
	return nil
}

// Equal reports whether two manifests are equal in every field.
func (m *Manifest) Equal(o *Manifest) bool { return reflect.DeepEqual(m, o) }

// CheckRestore refuses invalid manifests, and two that do not follow on one another. Every ledger does so
// before it compares them with its own.
func CheckRestore(manifests []Manifest) error {
	for i := range manifests {
		m := &manifests[i]
		if err := m.Check(); err != nil {
			return fmt.Errorf("%w: %w", ErrNoFit, err)
		}
		if i == 0 {
			continue
		}
		if err := (&Head{Number: manifests[i-1].Last, Chain: manifests[i-1].Chained()}).CheckNext(m); err != nil {
			return err
		}
	}
	return nil
}

// CheckNext refuses a manifest to be restored that does not follow the head.
func (h *Head) CheckNext(m *Manifest) error {
	if m.First != h.Number+1 {
		return fmt.Errorf("%w: the event %d is in none, or in two", ErrNoFit, h.Number+1)
	}
	if !h.Follows(m) && m.Previous != "" {
		return fmt.Errorf("%w: %w at segment %d", ErrNoFit, ErrChainBroken, m.First)
	}
	return nil
}
