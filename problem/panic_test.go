package problem

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestRecover(t *testing.T) {
	before := errors.New("before")
	run := func() (err error) {
		defer Recover(&err)
		err = before
		var none []int
		_ = none[3]
		return nil
	}
	err := run()
	var p *Panic
	if !errors.As(err, &p) || !strings.Contains(string(p.Stack), "TestRecover") || Exit(err) != int(Crashed) || !errors.Is(err, before) {
		t.Errorf("%v", err)
	}
}

// A step that was cut off says who cut it off; what really failed stays.
func TestReason(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cut := &Error{Op: "create vpc", Err: fmt.Errorf("describe: %w", context.Canceled)}
	if got := Reason(ctx, cut); got != "create vpc: describe: context canceled" {
		t.Error(got)
	}
	cancel(errors.New("interrupted (Ctrl-C)"))
	if got := Reason(ctx, errors.Join(cut, cut, errors.New("disk full"))); got != "interrupted (Ctrl-C)\ndisk full" {
		t.Error(got)
	}
	late, end := context.WithTimeoutCause(context.Background(), 0, errors.New("the time given by --timeout is over"))
	defer end()
	if got := Reason(late, &Error{Op: "create vpc", Err: late.Err()}); got != "the time given by --timeout is over" {
		t.Error(got)
	}
}
