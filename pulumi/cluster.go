package drover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"

	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// kubeconfigTime is how long a program may take to know its kubeconfig once a
// hook asks for it. One that rests on the very group that waits never will.
const kubeconfigTime = 5 * time.Minute

// errUnknown: in a preview the cluster is not there yet.
var errUnknown = errors.New("the kubeconfig is not known yet")

// access is the way to the cluster; drop ends it.
func (p *protector) access() (a move.Access, drop func(), err error) {
	if p.Kubeconfig == nil {
		return move.Access{Context: p.Context}, func() {}, nil
	}
	ctx, cancel := context.WithTimeout(p.ctx, kubeconfigTime)
	defer cancel()
	got, err := internals.UnsafeAwaitOutput(ctx, p.Kubeconfig.ToStringOutput())
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return a, nil, &problem.Error{Kind: problem.Usage, Op: "take Options.Kubeconfig", Err: fmt.Errorf("it is not known after %s", kubeconfigTime),
			Fix: "let it rest on the cluster alone, not on its node groups"}
	case err != nil:
		return a, nil, fmt.Errorf("take Options.Kubeconfig: %w", err)
	case !got.Known:
		return a, nil, errUnknown
	}
	text, _ := got.Value.(string)
	return p.written(text)
}

// written puts a kubeconfig where clients look for one.
func (p *protector) written(kubeconfig string) (move.Access, func(), error) {
	dir, err := os.MkdirTemp("", "drover-")
	if err != nil {
		return move.Access{}, nil, err
	}
	drop := func() { _ = os.RemoveAll(dir) }
	path := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(path, []byte(kubeconfig), 0o600); err != nil {
		drop()
		return move.Access{}, nil, err
	}
	return move.Access{Kubeconfig: path, Context: p.Context}, drop, nil
}
