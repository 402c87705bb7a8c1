package cluster

import (
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/cache"
)

// change is an object that changed: a place in kinds, and namespace/name.
type change struct {
	kind int
	key  string
}

// queue holds what changed since it was last drained. Watches fill it from their
// own goroutines; whoever wants a view drains it.
type queue struct {
	mu      sync.Mutex
	changed map[change]bool
	signal  chan struct{} // has room for one
}

func newQueue() *queue {
	return &queue{changed: map[change]bool{}, signal: make(chan struct{}, 1)}
}

func (q *queue) add(c change) {
	q.mu.Lock()
	q.changed[c] = true
	q.mu.Unlock()
	select {
	case q.signal <- struct{}{}:
	default:
	}
}

func (q *queue) drain() map[change]bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.changed
	q.changed = map[change]bool{}
	return all
}

// handler queues the changes of one kind. A watch that lists anew repeats what
// is known; that is no change.
func (q *queue) handler(kind int) cache.ResourceEventHandler {
	note := func(obj any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj); err == nil {
			q.add(change{kind, key})
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: note, DeleteFunc: note,
		UpdateFunc: func(before, now any) {
			b, err := meta.Accessor(before)
			if err != nil {
				return
			}
			n, err := meta.Accessor(now)
			if err != nil || n.GetResourceVersion() != "" && n.GetResourceVersion() == b.GetResourceVersion() {
				return
			}
			note(now)
		},
	}
}
