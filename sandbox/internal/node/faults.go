package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"golang.org/x/sys/unix"
)

// What goes wrong on a node to order: `drover sandbox fault`.

// full tells whether the machine's disk is said to be full.
func (c Config) full() bool {
	_, err := os.Stat(c.Dir.DiskFull(c.Machine.ID))
	return err == nil
}

// pullable asks whether an image may be pulled. A registry is nothing that is down with
// the AWS endpoint: where nobody answers, it may.
func (c Config) pullable(ctx context.Context, image string) error {
	if c.full() {
		return unix.ENOSPC
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.AWS+"/_sandbox/pull?image="+url.QueryEscape(image), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if dial := new(net.OpError); errors.As(err, &dial) && dial.Op == "dial" {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("failed to resolve reference %q: %s", image, bytes.TrimSpace(text))
	}
	return nil
}
