package buckettest

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
)

// google is Cloud Storage's JSON API, with the reads of its XML API.
func (s *Server) google(w http.ResponseWriter, r *http.Request) {
	const objects = "/storage/v1/b/" + Name + "/o"
	q := r.URL.Query()
	key, one := strings.CutPrefix(r.URL.Path, objects+"/")
	switch {
	case !strings.Contains(r.URL.Path, "/"+Name+"/"):
		googleError(w, http.StatusNotFound, "notFound")
	case r.Method == http.MethodGet && r.URL.Path == objects:
		s.googleList(w, q.Get("prefix"), q.Get("pageToken"))
	case r.Method == http.MethodPost && r.URL.Path == "/upload"+objects && q.Get("uploadType") == "multipart":
		s.googlePut(w, r)
	case r.Method == http.MethodDelete && one:
		if !s.remove(key) {
			googleError(w, http.StatusNotFound, "notFound")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/"+Name+"/"):
		s.googleGet(w, strings.TrimPrefix(r.URL.Path, "/"+Name+"/"))
	default:
		unknown(w, r)
	}
}

func (s *Server) googlePut(w http.ResponseWriter, r *http.Request) {
	name, data, err := googleBody(r)
	if err != nil {
		googleError(w, http.StatusBadRequest, err.Error())
		return
	}
	condition := r.URL.Query().Get("ifGenerationMatch")
	if condition != "" && condition != "0" {
		googleError(w, http.StatusNotImplemented, "notImplemented")
		return
	}
	switch s.put(name, data, condition == "0") {
	case written:
		_ = json.NewEncoder(w).Encode(googleObject(name, len(data)))
	case refused, contested:
		googleError(w, http.StatusPreconditionFailed, "conditionNotMet")
	}
}

// googleBody are the two parts of an upload: what the object is, and its content.
func googleBody(r *http.Request) (name string, data []byte, err error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return "", nil, err
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	about, err := parts.NextPart()
	if err != nil {
		return "", nil, err
	}
	var object struct {
		Name string `json:"name"`
	}
	err = json.NewDecoder(about).Decode(&object)
	content, errContent := parts.NextPart()
	if err := errors.Join(err, errContent); err != nil {
		return "", nil, err
	}
	data, err = io.ReadAll(content)
	return object.Name, data, err
}

func (s *Server) googleGet(w http.ResponseWriter, key string) {
	data, ok := s.get(key)
	if !ok {
		googleError(w, http.StatusNotFound, "notFound")
		return
	}
	w.Header().Set("X-Goog-Generation", "1")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}

func (s *Server) googleList(w http.ResponseWriter, prefix, after string) {
	keys, next := s.list(prefix, after)
	items := []map[string]any{}
	for _, k := range keys {
		items = append(items, googleObject(k, s.size(k)))
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "storage#objects", "items": items, "nextPageToken": next})
}

func googleObject(name string, size int) map[string]any {
	return map[string]any{"kind": "storage#object", "name": name, "bucket": Name, "size": strconv.Itoa(size), "generation": "1",
		"updated": "2026-01-01T00:00:00Z"}
}

func googleError(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"code": status, "message": reason, "errors": []any{map[string]any{"reason": reason}}}})
}
