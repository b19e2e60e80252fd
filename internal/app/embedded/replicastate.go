package embedded

import (
	"context"
	"errors"

	places "gakushoku/internal/app/place"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/replica"
)

// ReplicaState is where a data folder stands among installations.
type ReplicaState struct {
	Role
	Head      uint64 `json:"head"`                // number of the last event of its log
	PlaceHead uint64 `json:"placeHead,omitempty"` // of the place's
	Primary   string `json:"primary,omitempty"`   // URL of who replicates to the place
}

// ReplicaStatus returns where a data folder stands. Its server may run.
func ReplicaStatus(ctx context.Context, dir string) (s ReplicaState, err error) {
	folder, err := OpenParts(ctx, dir, NumberedLog)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	head, err := folder.Ledger.Head(ctx)
	s.Role, s.Head = folder.Role(), head.Number
	if err != nil || s.Place == "" {
		return s, err
	}
	blobs, err := places.Read(ctx, s.Place)
	if err != nil {
		return s, err
	}
	if s.PlaceHead, err = replica.End(ctx, blobs); err != nil {
		return s, err
	}
	about, err := replica.ReadAbout(ctx, blobs)
	if errors.Is(err, eventlog.ErrNoBlob) {
		err = nil
	}
	s.Primary = about.URL
	return s, err
}
