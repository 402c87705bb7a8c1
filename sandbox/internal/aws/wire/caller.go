package wire

import (
	"context"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

type callerKey struct{}

// WithCaller lets the actions know who signed the request.
func WithCaller(ctx context.Context, who region.Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, who)
}

// CallerOf is who signed the request.
func CallerOf(ctx context.Context) region.Caller {
	who, _ := ctx.Value(callerKey{}).(region.Caller)
	return who
}
