// Package kubetest is an API server for tests, in memory and over HTTP: it keeps
// objects of any kind, lists and watches them, takes patches and evictions, and
// notes what it is asked for. It knows no rules and has no controllers: what is
// evicted is gone at once, and nothing comes in its place.
package kubetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

// Server is the API server.
type Server struct {
	web *httptest.Server

	mu      sync.Mutex
	version int
	objects map[string]map[string]*unstructured.Unstructured // by collection, and namespace/name
	watches map[chan event]string                            // and the collections that they are of
	asked   map[Request]bool
	crds    []schema.GroupVersionResource
	end     chan struct{}
}

type event struct {
	Type   string                     `json:"type"`
	Object *unstructured.Unstructured `json:"object"`
}

// Request is what was asked for, as an authorizer sees it.
type Request struct{ Verb, Group, Resource, Namespace string }

// New serves the objects of a YAML stream until Close.
func New(objects string) (*Server, error) {
	s := &Server{objects: map[string]map[string]*unstructured.Unstructured{}, watches: map[chan event]string{}, asked: map[Request]bool{}, end: make(chan struct{})}
	in := yaml.NewYAMLOrJSONDecoder(strings.NewReader(objects), 4096)
	for {
		u := &unstructured.Unstructured{}
		switch err := in.Decode(&u.Object); {
		case errors.Is(err, io.EOF):
			s.web = httptest.NewServer(s)
			return s, nil
		case err != nil:
			return nil, err
		case len(u.Object) > 0:
			s.put(target{collection: collectionOf(u), namespace: u.GetNamespace(), name: u.GetName()}, u)
		}
	}
}

// Close ends all watches and the server.
func (s *Server) Close() {
	close(s.end)
	s.web.Close()
}

// Kubeconfig leads kubectl and its like to the server.
func (s *Server) Kubeconfig() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: %q}}]
users: [{name: test, user: {token: none}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
`, s.web.URL)
}

// Serve has the server tell, to those who ask what it has, of kinds that CRDs define.
func (s *Server) Serve(crds ...schema.GroupVersionResource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crds = append(s.crds, crds...)
}

// Asked is everything that was asked for, each once.
func (s *Server) Asked() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.asked), func(a, b Request) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

// Forget forgets what was asked for so far.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.asked)
}

// target is what a request is about: /apis/apps/v1/namespaces/shop/deployments/web.
type target struct {
	group, collection    string // apps, apis/apps/v1/deployments
	namespace, name, sub string
}

func targetOf(path string) (t target, ok bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	n := 3
	switch {
	case parts[0] == "api" && len(parts) > 2:
		n = 2
	case parts[0] == "apis" && len(parts) > 3:
		t.group = parts[1]
	default:
		return t, false
	}
	base, rest := parts[:n], parts[n:]
	if rest[0] == "namespaces" && len(rest) > 2 {
		t.namespace, rest = rest[1], rest[2:]
	}
	t.collection = strings.Join(base, "/") + "/" + rest[0]
	if len(rest) > 1 {
		t.name = rest[1]
	}
	if len(rest) > 2 {
		t.sub = rest[2]
	}
	return t, true
}

// collectionOf guesses the plural, which holds for every kind of the tests.
func collectionOf(u *unstructured.Unstructured) string {
	base := "api/" + u.GetAPIVersion()
	if strings.Contains(u.GetAPIVersion(), "/") {
		base = "apis/" + u.GetAPIVersion()
	}
	plural := strings.ToLower(u.GetKind()) + "s"
	if strings.HasSuffix(plural, "ys") {
		plural = strings.TrimSuffix(plural, "ys") + "ies"
	}
	return base + "/" + plural
}

func (t target) key() string { return t.namespace + "/" + t.name }

func (t target) resource() string {
	r := t.collection[strings.LastIndexByte(t.collection, '/')+1:]
	if t.sub != "" {
		r += "/" + t.sub
	}
	return r
}

// put stores an object; s.mu is held, but for New.
func (s *Server) put(t target, u *unstructured.Unstructured) {
	s.version++
	if u.GetUID() == "" {
		u.SetUID(types.UID(fmt.Sprintf("uid-%d", s.version)))
	}
	if made := u.GetCreationTimestamp(); made.IsZero() {
		u.SetCreationTimestamp(metav1.NewTime(time.Now().Add(-time.Hour).Truncate(time.Second)))
	}
	u.SetNamespace(t.namespace)
	u.SetName(t.name)
	u.SetResourceVersion(strconv.Itoa(s.version))
	if s.objects[t.collection] == nil {
		s.objects[t.collection] = map[string]*unstructured.Unstructured{}
	}
	change := "MODIFIED"
	if s.objects[t.collection][t.key()] == nil {
		change = "ADDED"
	}
	s.objects[t.collection][t.key()] = u
	s.tell(t.collection, event{change, u.DeepCopy()})
}

func (s *Server) drop(t target) {
	u := s.objects[t.collection][t.key()]
	delete(s.objects[t.collection], t.key())
	s.version++
	u.SetResourceVersion(strconv.Itoa(s.version))
	s.tell(t.collection, event{"DELETED", u})
}

func (s *Server) tell(collection string, e event) {
	for to, of := range s.watches {
		if of == collection {
			to <- e
		}
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t, ok := targetOf(r.URL.Path)
	if !ok && s.discover(w, r.URL.Path) {
		return
	}
	if !ok {
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, "no such path")
		return
	}
	verb := verbOf(r, t)
	s.mu.Lock()
	s.asked[Request{verb, t.group, t.resource(), t.namespace}] = true
	s.mu.Unlock()
	if verb == "watch" {
		s.watch(w, r, t)
		return
	}
	body, err := readBody(r)
	if err != nil {
		fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer(w, r, t, verb, body)
}

// discover answers what groups there are, and what is in one of them.
func (s *Server) discover(w http.ResponseWriter, path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path == "/apis" {
		reply(w, metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: s.groups()})
		return true
	}
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}}
	for _, r := range s.crds {
		if path == "/apis/"+r.GroupVersion().String() {
			list.GroupVersion = r.GroupVersion().String()
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: r.Resource, Namespaced: true, Kind: r.Resource, Verbs: metav1.Verbs{"list", "watch"}})
		}
	}
	if len(list.APIResources) > 0 {
		reply(w, list)
	}
	return len(list.APIResources) > 0
}

func (s *Server) groups() []metav1.APIGroup {
	groups := []metav1.APIGroup{}
	for _, r := range s.crds {
		v := metav1.GroupVersionForDiscovery{GroupVersion: r.GroupVersion().String(), Version: r.Version}
		if !slices.ContainsFunc(groups, func(g metav1.APIGroup) bool { return g.Name == r.Group }) {
			groups = append(groups, metav1.APIGroup{Name: r.Group, PreferredVersion: v})
		}
		at := slices.IndexFunc(groups, func(g metav1.APIGroup) bool { return g.Name == r.Group })
		groups[at].Versions = append(groups[at].Versions, v)
	}
	return groups
}

// readBody is a request's body as JSON; typed clients send protocol buffers.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !strings.Contains(r.Header.Get("Content-Type"), "protobuf") {
		return body, err
	}
	object, kind, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		return nil, err
	}
	object.GetObjectKind().SetGroupVersionKind(*kind)
	return json.Marshal(object)
}

func verbOf(r *http.Request, t target) string {
	switch r.Method {
	case http.MethodGet:
		switch {
		case r.URL.Query().Get("watch") != "":
			return "watch"
		case t.name == "":
			return "list"
		}
		return "get"
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	}
	return "delete"
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, t target, verb string, body []byte) {
	live := s.objects[t.collection][t.key()]
	if verb == "list" {
		reply(w, s.list(t, r.URL.Query().Get("labelSelector")))
		return
	}
	creates := verb == "create" && t.sub == "" || verb == "patch" && strings.Contains(r.Header.Get("Content-Type"), "apply")
	if live == nil && !creates {
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, t.resource()+" "+t.key()+" not found")
		return
	}
	dry := r.URL.Query().Get("dryRun") != "" || strings.Contains(string(body), `"dryRun":["All"]`)
	switch {
	case t.sub == "eviction", verb == "delete":
		if !dry {
			s.drop(t)
		}
		reply(w, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess})
	case verb == "get":
		reply(w, live)
	default:
		s.write(w, t, verb, live, body, dry)
	}
}

// write creates, updates or patches.
func (s *Server) write(w http.ResponseWriter, t target, verb string, live *unstructured.Unstructured, body []byte, dry bool) {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	if err := json.Unmarshal(body, &u.Object); err != nil {
		fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		return
	}
	if live != nil && verb == "patch" {
		patch := u.Object
		u = live.DeepCopy()
		merge(u.Object, patch)
	}
	if t.name == "" {
		t.name = u.GetName()
	}
	there := s.objects[t.collection][t.key()]
	switch {
	case verb == "create" && there != nil && !dry:
		fail(w, http.StatusConflict, metav1.StatusReasonAlreadyExists, t.key()+" already exists")
		return
	case verb == "update" && u.GetResourceVersion() != there.GetResourceVersion():
		fail(w, http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified")
		return
	case !dry:
		s.put(t, u)
	}
	reply(w, u)
}

// merge is a JSON merge patch (RFC 7386), which will do for the strategic ones of
// the tests.
func merge(into, patch map[string]any) {
	for key, value := range patch {
		inner, is := value.(map[string]any)
		have, was := into[key].(map[string]any)
		switch {
		case value == nil:
			delete(into, key)
		case is && was:
			merge(have, inner)
		case is:
			into[key] = map[string]any{}
			merge(into[key].(map[string]any), inner)
		default:
			into[key] = value
		}
	}
}

// list is a collection as it is, or a namespace of it.
func (s *Server) list(t target, selector string) any {
	picks, err := labels.Parse(selector)
	if err != nil {
		picks = labels.Nothing()
	}
	kind, version, items := "List", "v1", []any{}
	for _, key := range slices.Sorted(maps.Keys(s.objects[t.collection])) {
		u := s.objects[t.collection][key]
		if (t.namespace == "" || u.GetNamespace() == t.namespace) && picks.Matches(labels.Set(u.GetLabels())) {
			kind, version, items = u.GetKind()+"List", u.GetAPIVersion(), append(items, u)
		}
	}
	return map[string]any{"kind": kind, "apiVersion": version, "metadata": map[string]any{"resourceVersion": strconv.Itoa(s.version)}, "items": items}
}

// watch tells of changes until the client goes; if it asks for what is there
// already, that comes first.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, t target) {
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		fail(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "sendInitialEvents is not served")
		return
	}
	since, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	events := make(chan event, 1000)
	s.mu.Lock()
	for _, u := range s.objects[t.collection] {
		if n, _ := strconv.Atoi(u.GetResourceVersion()); n > since {
			events <- event{"ADDED", u.DeepCopy()}
		}
	}
	s.watches[events] = t.collection
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.watches, events)
		s.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	for {
		if flush.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-s.end:
			return
		case e := <-events:
			if out.Encode(e) != nil {
				return
			}
		}
	}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

func fail(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{ // the client is gone
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	})
}
