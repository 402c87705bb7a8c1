package sleep_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/internal/sleep"
)

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		for _, c := range []struct {
			d    time.Duration
			err  error
			took time.Duration
		}{{20 * time.Second, nil, 20 * time.Second}, {0, nil, 20 * time.Second}, {time.Hour, context.DeadlineExceeded, time.Minute}, {-1, context.DeadlineExceeded, time.Minute}} {
			if err := sleep.For(ctx, c.d); !errors.Is(err, c.err) || time.Since(began) != c.took {
				t.Errorf("%s: %v after %s", c.d, err, time.Since(began))
			}
		}
	})
}
