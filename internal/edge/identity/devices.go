package identity

import (
	"context"
	"time"

	"gakushoku/internal/engine/credential"
	"gakushoku/internal/observe"
)

// Devices accepts the device keys in a store. It keeps their digests for a moment, so a key that is revoked is
// refused within seconds.
type Devices struct {
	keys credential.Keys
	all  *cache[map[string]credential.Key] // by digest
}

// devicesUsable is how long keys are accepted while the store cannot be read.
const devicesUsable = 5 * time.Second

// NewDevices returns the keys of a store, which are read again after fresh.
func NewDevices(keys credential.Keys, fresh time.Duration) *Devices {
	d := &Devices{keys: keys}
	d.all = newCache(&cache[map[string]credential.Key]{
		load: d.load, now: keys.Now, fresh: fresh, usable: devicesUsable, pause: 100 * time.Millisecond, again: time.Second,
	})
	return d
}

func (d *Devices) load(ctx context.Context) (map[string]credential.Key, error) {
	listed, err := d.keys.List(ctx)
	all := make(map[string]credential.Key, len(listed))
	for _, key := range listed {
		all[key.Digest] = key
	}
	return all, err
}

// Verify returns the device whose key has a digest.
func (d *Devices) Verify(ctx context.Context, digest string) (observe.Caller, error) {
	all, err := d.all.get(ctx, func(all map[string]credential.Key) bool { _, ok := all[digest]; return ok })
	if err != nil {
		return observe.Caller{}, err
	}
	key, ok := all[digest]
	if !ok || !key.Live(d.keys.Now()) || !KnownRole(key.Role) {
		return observe.Caller{}, ErrWrongKey
	}
	return CallerWith(key.Name, key.Role), nil
}
