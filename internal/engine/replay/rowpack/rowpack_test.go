package rowpack_test

import (
	"fmt"
	"hash/fnv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/replay/rowpack"
	"gakushoku/internal/event"
)

type inner struct {
	Name  string
	Count int16
	Deep  []uint32
}

type row struct {
	ID     string
	A      int64
	B      int8
	C      uint64
	D      bool
	Inner  inner
	Inners []inner
	Texts  []string
}

func anyInner(t *rapid.T) inner {
	return inner{
		Name:  rapid.OneOf(rapid.SampledFrom([]string{"", "PAID", "curry"}), rapid.String()).Draw(t, "name"),
		Count: rapid.Int16().Draw(t, "count"),
		Deep:  maybeNil(t, rapid.SliceOfN(rapid.Uint32(), 0, 4)),
	}
}

// maybeNil draws nil and empty slices too, which are not the same in JSON.
func maybeNil[T any](t *rapid.T, g *rapid.Generator[[]T]) []T {
	if rapid.Bool().Draw(t, "nil") {
		return nil
	}
	return g.Draw(t, "slice")
}

func anyRow(t *rapid.T) row {
	return row{
		ID: rapid.String().Draw(t, "id"), A: rapid.Int64().Draw(t, "a"), B: rapid.Int8().Draw(t, "b"), C: rapid.Uint64().Draw(t, "c"),
		D: rapid.Bool().Draw(t, "d"), Inner: anyInner(t),
		Inners: maybeNil(t, rapid.SliceOfN(rapid.Custom(anyInner), 0, 4)),
		Texts:  maybeNil(t, rapid.SliceOfN(rapid.String(), 0, 4)),
	}
}

func TestUnpackGivesBackWhatWasPacked(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		packer, err := rowpack.NewPacker(new(row))
		if err != nil {
			t.Fatal(err)
		}
		var used row // the same row again and again, as a replay does
		for range rapid.IntRange(1, 20).Draw(t, "rows") {
			want := anyRow(t)
			key := rapid.SampledFrom([]string{"", "order-" + want.ID, want.ID, "order-x"}).Draw(t, "key")
			packer.Unpack(packer.Append(nil, key, &want), key, &used)
			if diff := cmp.Diff(want, used); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestDictionariesOverflowWithoutLoss(t *testing.T) {
	t.Parallel()
	packer, err := rowpack.NewPacker(new(row))
	if err != nil {
		t.Fatal(err)
	}
	var packed [][]byte
	for i := range 1000 {
		packed = append(packed, packer.Append(nil, "", &row{ID: fmt.Sprint(i % 500)}))
	}
	for i, data := range packed {
		var got row
		packer.Unpack(data, "", &got)
		if want := fmt.Sprint(i % 500); got.ID != want {
			t.Fatalf("row %d has id %q, want %q", i, got.ID, want)
		}
	}
}

type twoTexts struct{ From, To string }

func TestATextMovedToAnotherFieldOutlivesItsRecord(t *testing.T) {
	t.Parallel()
	packer, err := rowpack.NewPacker(new(twoTexts))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 256 { // from now on From is written out in each record
		packer.Append(nil, "key", &twoTexts{From: fmt.Sprintf("word-%d", i)})
	}
	record := packer.Append(nil, "key", &twoTexts{From: "moved"})
	var moving, got twoTexts
	packer.Unpack(record, "key", &moving)
	moving.To = moving.From // as a fold may do
	packed := packer.Append(nil, "key", &moving)
	clear(record) // its room is used again
	if packer.Unpack(packed, "key", &got); got.To != "moved" {
		t.Errorf("got %q", got.To)
	}
}

func TestAnOrderTakesLittleRoom(t *testing.T) {
	t.Parallel()
	packer, err := rowpack.NewPacker(new(readmodel.Order))
	if err != nil {
		t.Fatal(err)
	}
	o := readmodel.Order{
		OrderID: "01KFPMSV005669FBH3HD7PG5Z3", Total: 780, Status: readmodel.StatusPickedUp, PaymentMethod: order.MethodCard,
		Lines:    []order.Line{{Product: "karaage-don", Quantity: 1, UnitPrice: 480}, {Product: "miso-soup", Quantity: 3, UnitPrice: 100}},
		PlacedAt: event.InstantOfMilli(1769212800000), PaidAt: event.InstantOfMilli(1769212860000), PreparingAt: event.InstantOfMilli(1769212870000), ReadyAt: event.InstantOfMilli(1769212880000), PickedUpAt: event.InstantOfMilli(1769212890000),
	}
	key := order.Stream(o.OrderID)
	packed := packer.Append(nil, key, &o)
	if len(packed) > 64 {
		t.Errorf("an order of two lines takes %d bytes, want at most 64", len(packed))
	}
	var got readmodel.Order
	packer.Unpack(packed, key, &got)
	if diff := cmp.Diff(o, got); diff != "" {
		t.Error(diff)
	}
}

func TestNewPackerRefusesWhatItCannotPack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		row  any
		want string
	}{
		"a map":         {new(struct{ M map[string]int }), ".M"},
		"a pointer":     {new(struct{ P *int }), ".P"},
		"not a pointer": {row{}, "pointer to a struct"},
		"nil":           {nil, "pointer to a struct"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := rowpack.NewPacker(tc.row); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("NewPacker = %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestTableIsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var table rowpack.Table
		model := map[string]string{}
		hashBits := rapid.SampledFrom([]uint32{0, 3, 0xffffffff}).Draw(t, "hash bits") // few bits: many collisions
		for i := range rapid.IntRange(0, 400).Draw(t, "puts") {
			key := fmt.Sprint("k", rapid.IntRange(0, 150).Draw(t, "key"))
			value := strings.Repeat(fmt.Sprint(i, "."), rapid.IntRange(0, 60).Draw(t, "length"))
			put(&table, key, hashBits, value)
			model[key] = value
		}
		checkTable(t, &table, model, hashBits)
	})
}

func put(table *rowpack.Table, key string, hashBits uint32, value string) {
	hash := hashOf(key) & hashBits
	e := table.Get(key, hash)
	table.Put(e, key, hash, []byte(value))
}

func checkTable(t *rapid.T, table *rowpack.Table, model map[string]string, hashBits uint32) {
	all := map[string]string{}
	for ref, e := range table.All() {
		all[e.Key] = string(table.At(ref).Value)
	}
	if diff := cmp.Diff(model, all); diff != "" {
		t.Fatalf("All: %s", diff)
	}
	for key, want := range model {
		if e := table.Get(key, hashOf(key)&hashBits); e.Value == nil || string(e.Value) != want {
			t.Fatalf("Get(%s) = %q, want %q", key, e.Value, want)
		}
	}
	if e := table.Get("absent", hashOf("absent")&hashBits); e.Value != nil {
		t.Fatalf("Get(absent) = %q", e.Value)
	}
	if table.Len() != len(model) {
		t.Fatalf("Len = %d, want %d", table.Len(), len(model))
	}
}

func hashOf(key string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(key))
	return h.Sum32()
}

func TestTableHoldsValuesLargerThanABlock(t *testing.T) {
	t.Parallel()
	var table rowpack.Table
	sizes := []int{10, 1 << 20, 0, 300 << 10, 20}
	for round := range 3 {
		for i, size := range sizes {
			put(&table, fmt.Sprint(i), 0xffffffff, strings.Repeat(string(rune('a'+i)), size+round))
		}
	}
	for i, size := range sizes {
		e := table.Get(fmt.Sprint(i), hashOf(fmt.Sprint(i)))
		if want := strings.Repeat(string(rune('a'+i)), size+2); string(e.Value) != want {
			t.Errorf("value %d has %d bytes, want %d", i, len(e.Value), len(want))
		}
	}
}
