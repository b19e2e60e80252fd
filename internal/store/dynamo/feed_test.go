package dynamo

import (
	"errors"
	"testing"

	"gakushoku/internal/event"
	"gakushoku/internal/store/dynamo/feed"
)

func TestFeedRefusesTheCursorOfATableThatWasMadeAnew(t *testing.T) {
	t.Parallel()
	client, table := realClient(t), newEventTable(t)
	stream, store := feed.New(client, realStreams(t), table), NewEvents(client, table)
	if err := store.Append(t.Context(), "order-o1", 0, []event.Event{testEvent("e1")}); err != nil {
		t.Fatal(err)
	}
	_, cursor, err := stream.Read(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := dropTable(t.Context(), client, table); err != nil {
		t.Fatal(err)
	}
	if err := CreateEventTable(t.Context(), client, table); err != nil {
		t.Fatal(err)
	}
	if _, _, err := stream.Read(t.Context(), cursor, 10); !errors.Is(err, feed.ErrCursor) {
		t.Errorf("got %v, want ErrCursor", err)
	}
}

func TestFeedOfATableWithoutAStreamSaysWhatToDo(t *testing.T) {
	t.Parallel()
	if _, _, err := feed.New(realClient(t), realStreams(t), newControlTable(t)).Read(t.Context(), "", 10); err == nil {
		t.Error("no error")
	}
}
