package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"gakushoku/internal/engine/replay"
)

// counted counts the bytes that are written through it.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// writeRows writes rows as JSONL, in the order in which their streams began, and returns the number of bytes.
func writeRows(ctx context.Context, w io.Writer, result *replay.Result) (int64, error) {
	bytes := &counted{w: w}
	out := bufio.NewWriterSize(bytes, 1<<20)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	n := 0
	for row := range result.Rows() {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return bytes.n, ctx.Err()
		}
		if err := encoder.Encode(row.Row); err != nil {
			return bytes.n, fmt.Errorf("writing the row of %s: %w", row.Stream, err)
		}
	}
	if err := out.Flush(); err != nil {
		return bytes.n, fmt.Errorf("writing rows: %w", err)
	}
	return bytes.n, nil
}
