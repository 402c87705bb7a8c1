package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// firstWord is how long a look at what exists may take before it is told; the
// pauses after it double.
const firstWord = 10 * time.Second

// looking tells, until it is stopped, that AWS and the cluster are still being
// asked: when they do not answer, calls are repeated for minutes, and nothing
// else would be seen. Stop may be called again.
func looking(w io.Writer) (stop func()) {
	var told sync.WaitGroup
	end := make(chan struct{})
	told.Go(func() {
		began := time.Now()
		for pause := firstWord; ; pause *= 2 {
			next := time.NewTimer(pause)
			select {
			case <-next.C:
				_, _ = fmt.Fprintf(w, "still reading what exists (for %s): AWS or the cluster answers slowly, or not at all and is asked again\n",
					time.Since(began).Round(time.Second))
			case <-end:
				next.Stop()
				return
			}
		}
	})
	return sync.OnceFunc(func() {
		close(end)
		told.Wait()
	})
}
