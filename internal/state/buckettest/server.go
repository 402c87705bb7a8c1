// Package buckettest serves object stores over HTTP for tests: S3, Google Cloud
// Storage and Azure Blob Storage, as far as a store of objects needs them. The
// clients of the clouds speak to it as they speak to the real ones, so their
// paging, repeats and conditions of writes are under test too. It is strict:
// what it does not know, and what is not signed, it refuses.
package buckettest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Name is that of the only bucket.
const Name = "states"

// page is how many objects a list has at most: few, so that all lists are paged.
const page = 3

// Behaviour is what a store does beside what it should.
type Behaviour struct {
	Loose       bool   // it ignores conditions of writes, as some look-alikes do
	LoseAnswers bool   // it cuts the connection after the first try of each write and delete, which took effect
	Contests    int    // so many conditional writes are told to come again (S3 alone)
	Before      func() // called before each request
}

// Server is one object store.
type Server struct {
	Query string            // of the URL that opens it: kind://Name/path?Query
	Env   map[string]string // that its client needs

	http *httptest.Server

	mu        sync.Mutex // guards what follows
	behaviour Behaviour
	objects   map[string][]byte
	blocks    map[string][]byte // of Azure, not committed yet
	lost      map[string]bool   // calls whose answer was lost
}

// Behave is how the store behaves from now on.
func (s *Server) Behave(b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behaviour = b
}

func (s *Server) before(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		before := s.behaviour.Before
		s.mu.Unlock()
		if before != nil {
			before()
		}
		handle(w, r)
	}
}

// Kinds are the URL schemes of the stores.
var Kinds = []string{"s3", "gs", "azblob"}

// New serves a store of a kind, until Close.
func New(kind string) *Server {
	s := &Server{objects: make(map[string][]byte), blocks: make(map[string][]byte), lost: make(map[string]bool)}
	handle := map[string]http.HandlerFunc{"s3": s.amazon, "gs": s.google, "azblob": s.azure}[kind]
	s.http = httptest.NewServer(s.before(handle))
	address := strings.TrimPrefix(s.http.URL, "http://")
	s.Query = map[string]string{
		"s3":     "region=us-west-2&use_path_style=true&endpoint=" + url.QueryEscape(s.http.URL),
		"gs":     "anonymous=true",
		"azblob": "protocol=http&localemu=true&domain=" + address,
	}[kind]
	s.Env = map[string]map[string]string{
		"s3":     {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-west-2"},
		"gs":     {"STORAGE_EMULATOR_HOST": address},
		"azblob": {"AZURE_STORAGE_ACCOUNT": account, "AZURE_STORAGE_KEY": "c2VjcmV0"},
	}[kind]
	return s
}

// Close ends it.
func (s *Server) Close() { s.http.Close() }

// Keys are the names of all objects.
func (s *Server) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys("")
}

func (s *Server) keys(prefix string) []string {
	var keys []string
	for k := range s.objects {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// list is one page of the names with a prefix, after one of them.
func (s *Server) list(prefix, after string) (keys []string, next string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys = slices.DeleteFunc(s.keys(prefix), func(k string) bool { return k <= after })
	if len(keys) > page {
		return keys[:page], keys[page-1]
	}
	return keys, ""
}

func (s *Server) size(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.objects[key])
}

func (s *Server) get(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.objects[key]
	return data, ok
}

func (s *Server) remove(key string) (was bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, was = s.objects[key]
	delete(s.objects, key)
	s.loseAnswer("delete " + key)
	return was
}

// loseAnswer ends the connection of a call's first try, if answers get lost.
func (s *Server) loseAnswer(call string) {
	if s.behaviour.LoseAnswers && !s.lost[call] {
		s.lost[call] = true
		panic(http.ErrAbortHandler)
	}
}

// outcome of a write.
type outcome int

const (
	written outcome = iota
	refused         // it is there
	contested
)

// put writes an object: with the condition only if there is none of the name.
func (s *Server) put(key string, data []byte, onlyNew bool) outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	if onlyNew && s.behaviour.Contests > 0 {
		s.behaviour.Contests--
		return contested
	}
	if _, there := s.objects[key]; there && onlyNew && !s.behaviour.Loose {
		return refused
	}
	s.objects[key] = data
	s.loseAnswer(fmt.Sprintf("write %s, only new: %t", key, onlyNew))
	return written
}

func unknown(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "buckettest does not know "+r.Method+" "+r.URL.String(), http.StatusNotImplemented)
}
