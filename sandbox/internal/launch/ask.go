package launch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws"
	"github.com/droverhq/drover/sandbox/internal/aws/fault"
	"github.com/droverhq/drover/sandbox/internal/supervisor"
)

// AddFault lets requests to AWS go wrong.
func (b Sandbox) AddFault(ctx context.Context, f fault.Fault) (fault.Fault, error) {
	err := b.askAWS(ctx, http.MethodPost, "/_sandbox/faults", f, &f)
	return f, err
}

// Faults lists what goes wrong with requests to AWS.
func (b Sandbox) Faults(ctx context.Context) (list []fault.Fault, err error) {
	err = b.askAWS(ctx, http.MethodGet, "/_sandbox/faults", nil, &list)
	return list, err
}

// RemoveFault takes one away.
func (b Sandbox) RemoveFault(ctx context.Context, id string) error {
	return b.askAWS(ctx, http.MethodDelete, "/_sandbox/faults/"+url.PathEscape(id), nil, nil)
}

// Clock is AWS's time, after it has been moved forward.
func (b Sandbox) Clock(ctx context.Context, forward time.Duration) (now aws.Time, err error) {
	if forward == 0 {
		err = b.askAWS(ctx, http.MethodGet, "/_sandbox/clock", nil, &now)
		return now, err
	}
	err = b.askAWS(ctx, http.MethodPost, "/_sandbox/clock?forward="+forward.String(), nil, &now)
	return now, err
}

// Disturb lets something be wrong with a part or a machine, and returns when it is.
func (b Sandbox) Disturb(ctx context.Context, f supervisor.Fault) error {
	return b.askSupervisor(ctx, http.MethodPut, "/faults/"+url.PathEscape(f.Target), f, nil)
}

// Disorders lists what is wrong with parts and machines.
func (b Sandbox) Disorders(ctx context.Context) (list []supervisor.Fault, err error) {
	err = b.askSupervisor(ctx, http.MethodGet, "/faults", nil, &list)
	return list, err
}

// Repair undoes Disturb.
func (b Sandbox) Repair(ctx context.Context, target string) error {
	return b.askSupervisor(ctx, http.MethodDelete, "/faults/"+url.PathEscape(target), nil, nil)
}

func (b Sandbox) askSupervisor(ctx context.Context, method, path string, in, out any) error {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", b.Dir.Socket())
		},
	}}
	if err := ask(ctx, client, method, "http://supervisor"+path, in, out); err != nil {
		return fmt.Errorf("ask the supervisor: %w", err)
	}
	return nil
}

func (b Sandbox) askAWS(ctx context.Context, method, path string, in, out any) error {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	if err := ask(ctx, client, method, b.Endpoint()+path, in, out); err != nil {
		return fmt.Errorf("ask the AWS endpoint: %w", err)
	}
	return nil
}

// ask sends in, if there is any, and reads the answer into out.
func ask(ctx context.Context, client *http.Client, method, address string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return errors.New(strings.TrimSpace(string(said)))
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
