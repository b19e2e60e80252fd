package eventlog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"iter"
)

// Objects returns the objects whose keys begin with prefix and sort above after, in the order of their keys. It
// lists them page by page as they are taken. The first error ends it, as the last pair.
func Objects(ctx context.Context, blobs BlobReader, prefix, after string) iter.Seq2[Blob, error] {
	const page = 1000
	return func(yield func(Blob, error) bool) {
		for {
			listed, err := blobs.List(ctx, prefix, after, page)
			if err != nil {
				yield(Blob{}, err)
				return
			}
			for _, b := range listed {
				if after = b.Key; !yield(b, nil) {
					return
				}
			}
			if len(listed) < page {
				return
			}
		}
	}
}

// Describes reports whether data is the object of the manifest, by its size and its digest.
func (m *Manifest) Describes(data []byte) bool {
	sum := sha256.Sum256(data)
	return int64(len(data)) == m.Bytes && hex.EncodeToString(sum[:]) == m.SHA256
}
