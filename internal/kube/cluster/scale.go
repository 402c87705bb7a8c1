package cluster

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/workqueue"
)

// answer is what a controller of a kind that is not watched said of itself.
type answer struct {
	uid         string
	wants       int
	counted     bool // wants was written somewhere
	scalable    bool // it has a /scale
	unscaled    bool // it was read, and has none
	annotations map[string]string
	fixed       string // node that its template names
	paused      bool
	minReady    time.Duration
	deadline    time.Duration // 0: it did not say
	surge       *intstr.IntOrString
}

// seeAnswer notes an answer. Pods look at it only for what they inherit.
func seeAnswer(w *world, key string, before, now *answer) {
	w.marks.workload(key)
	delete(w.answers, key)
	if now != nil {
		w.answers[key] = now
	}
	if before != nil && now != nil && before.uid == now.uid && before.fixed == now.fixed && maps.Equal(before.annotations, now.annotations) {
		return
	}
	for who := range w.counted[key] {
		if uid, is := strings.CutPrefix(who, "pod/"); is {
			w.marks.pods[types.UID(uid)] = true
		}
	}
}

// Asking: askers at a time, each for askTime at most, again after askAgain at
// first and askLater at last if there was no answer.
const (
	askers   = 4
	askTime  = 10 * time.Second
	askAgain = time.Second
	askLater = time.Minute
)

// asker looks at controllers of kinds that are not watched, one after the other
// and beside everything else, and keeps what they said.
type asker struct {
	dynamic dynamic.Interface
	mapper  meta.RESTMapper
	tell    func(key string) // there is an answer

	queue workqueue.TypedRateLimitingInterface[string]
	done  sync.WaitGroup

	mu      sync.Mutex
	asked   map[string]topOwner
	answers map[string]*answer
}

func newAsker(d dynamic.Interface, mapper meta.RESTMapper, tell func(key string)) *asker {
	return &asker{
		dynamic: d, mapper: mapper, tell: tell, asked: map[string]topOwner{}, answers: map[string]*answer{},
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](askAgain, askLater)),
	}
}

func (a *asker) start(ctx context.Context) {
	for range askers {
		a.done.Go(func() {
			for a.next(ctx) {
			}
		})
	}
}

// stop ends the askers and waits for them.
func (a *asker) stop() {
	a.queue.ShutDown()
	a.done.Wait()
}

// ask has a workload looked at soon.
func (a *asker) ask(key string, w topOwner) {
	a.mu.Lock()
	a.asked[key] = w
	a.mu.Unlock()
	a.queue.Add(key)
}

// idle: everything that was asked has an answer, or failed once.
func (a *asker) idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key := range a.asked {
		if _, answered := a.answers[key]; !answered && a.queue.NumRequeues(key) == 0 {
			return false
		}
	}
	return true
}

func (a *asker) answer(key string) *answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answers[key]
}

func (a *asker) next(ctx context.Context) bool {
	key, shut := a.queue.Get()
	if shut {
		return false
	}
	defer a.queue.Done(key)
	a.mu.Lock()
	w := a.asked[key]
	a.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	now, err := a.look(limited, w)
	if err != nil {
		a.queue.AddRateLimited(key)
		a.tell(key)
		return true
	}
	a.queue.Forget(key)
	a.mu.Lock()
	a.answers[key] = now
	a.mu.Unlock()
	a.tell(key)
	return true
}

// look asks one controller. One that is gone, or may not be read, or has a kind
// that nobody serves, has nothing to say; an error means that nobody knows.
func (a *asker) look(ctx context.Context, w topOwner) (*answer, error) {
	out := &answer{uid: w.owner.UID}
	gv, err := schema.ParseGroupVersion(w.owner.API)
	if err != nil {
		return out, nil // what is written there is no kind
	}
	m, err := a.mapper.RESTMapping(schema.GroupKind{Group: gv.Group, Kind: w.owner.Kind}, gv.Version)
	if meta.IsNoMatchError(err) {
		return out, nil
	} else if err != nil {
		return nil, err
	}
	in := a.dynamic.Resource(m.Resource).Namespace(w.namespace)
	if m.Scope.Name() == meta.RESTScopeNameRoot {
		return out, nil // nothing that makes pods in a namespace by its name
	}
	u, err := in.Get(ctx, w.owner.Name, metav1.GetOptions{})
	switch {
	case silent(err):
		u = nil
	case err != nil:
		return nil, err
	case string(u.GetUID()) != w.owner.UID:
		return out, nil
	default:
		out.read(u)
	}
	scale, err := in.Get(ctx, w.owner.Name, metav1.GetOptions{}, "scale")
	switch {
	case silent(err):
		out.unscaled = u != nil && !apierrors.IsForbidden(err)
	case err != nil:
		return nil, err
	default:
		out.scalable = true
		if n, ok, _ := unstructured.NestedInt64(scale.Object, "spec", "replicas"); ok {
			out.wants, out.counted = int(n), true
		}
	}
	return out, nil
}

// silent: the API server answered, and the answer is that there is none.
func silent(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || apierrors.IsMethodNotSupported(err)
}

// read takes what such objects have in common, if this one has it.
func (a *answer) read(u *unstructured.Unstructured) {
	a.annotations = u.GetAnnotations()
	a.fixed = text(u, "spec", "template", "spec", "nodeName")
	a.paused, _, _ = unstructured.NestedBool(u.Object, "spec", "paused")
	a.paused = a.paused || len(list(u, "status", "pauseConditions")) > 0            // Argo Rollouts: at a step, until somebody promotes it
	for _, path := range [][]string{{"status", "replicas"}, {"spec", "replicas"}} { // what is wanted counts more
		if n, ok, _ := unstructured.NestedInt64(u.Object, path...); ok {
			a.wants, a.counted = int(n), true
		}
	}
	if n, ok, _ := unstructured.NestedInt64(u.Object, "spec", "minReadySeconds"); ok {
		a.minReady = time.Duration(n) * time.Second
	}
	if n, ok, _ := unstructured.NestedInt64(u.Object, "spec", "progressDeadlineSeconds"); ok {
		a.deadline = time.Duration(n) * time.Second
	}
	a.surge = part(u, "spec", "strategy", "canary", "maxSurge") // Argo Rollouts
}

// part reads a number or a percentage.
func part(u *unstructured.Unstructured, path ...string) *intstr.IntOrString {
	v, _, _ := unstructured.NestedFieldNoCopy(u.Object, path...)
	switch v := v.(type) {
	case int64:
		n := intstr.FromInt32(int32(v))
		return &n
	case string:
		n := intstr.Parse(v)
		return &n
	}
	return nil
}
