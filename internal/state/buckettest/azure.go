package buckettest

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// account is Azure's, with its key.
const account = "drover"

// azure is the Blob service's REST API, with the account in the path.
func (s *Server) azure(w http.ResponseWriter, r *http.Request) {
	key, ok := strings.CutPrefix(r.URL.Path, "/"+account+"/"+Name)
	key = strings.TrimPrefix(key, "/")
	q := r.URL.Query()
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil || !strings.HasPrefix(r.Header.Get("Authorization"), "SharedKey "+account+":"):
		azureError(w, http.StatusForbidden, "AuthenticationFailed")
	case !ok:
		azureError(w, http.StatusNotFound, "ContainerNotFound")
	case r.Method == http.MethodGet && q.Get("comp") == "list":
		s.azureList(w, q.Get("prefix"), q.Get("marker"))
	case r.Method == http.MethodGet:
		s.azureGet(w, key)
	case r.Method == http.MethodPut && q.Get("comp") == "block":
		s.azureBlock(w, key, q.Get("blockid"), body)
	case r.Method == http.MethodPut && q.Get("comp") == "blocklist":
		s.azureCommit(w, r, key, body)
	case r.Method == http.MethodPut && r.Header.Get("X-Ms-Blob-Type") == "BlockBlob":
		s.azurePut(w, r, key, body)
	case r.Method == http.MethodDelete && s.remove(key):
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodDelete:
		azureError(w, http.StatusNotFound, "BlobNotFound")
	default:
		unknown(w, r)
	}
}

func (s *Server) azurePut(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	condition := r.Header.Get("If-None-Match")
	if condition != "" && condition != "*" {
		azureError(w, http.StatusNotImplemented, "NotImplemented")
		return
	}
	switch s.put(key, body, condition == "*") {
	case written:
		w.Header().Set("Last-Modified", azureTime)
		w.WriteHeader(http.StatusCreated)
	case refused, contested:
		azureError(w, http.StatusConflict, "BlobAlreadyExists")
	}
}

const azureTime = "Thu, 01 Jan 2026 00:00:00 GMT"

// azureBlock keeps a part of a large object until all of it is committed.
func (s *Server) azureBlock(w http.ResponseWriter, key, id string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks[key+"?"+id] = body
	w.WriteHeader(http.StatusCreated)
}

func (s *Server) azureCommit(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	var list struct {
		Latest []string `xml:"Latest"`
	}
	if err := xml.Unmarshal(body, &list); err != nil {
		azureError(w, http.StatusBadRequest, "InvalidXmlDocument")
		return
	}
	var whole []byte
	s.mu.Lock()
	for _, id := range list.Latest {
		whole = append(whole, s.blocks[key+"?"+id]...)
	}
	s.mu.Unlock()
	s.azurePut(w, r, key, whole)
}

func (s *Server) azureGet(w http.ResponseWriter, key string) {
	data, ok := s.get(key)
	if !ok {
		azureError(w, http.StatusNotFound, "BlobNotFound")
		return
	}
	w.Header().Set("Last-Modified", azureTime)
	_, _ = w.Write(data)
}

func (s *Server) azureList(w http.ResponseWriter, prefix, after string) {
	type blob struct {
		Name       string
		Properties struct {
			Modified string `xml:"Last-Modified"`
			Length   int    `xml:"Content-Length"`
			Type     string `xml:"BlobType"`
		}
	}
	var list struct {
		XMLName xml.Name `xml:"EnumerationResults"`
		Blobs   struct {
			Blob []blob
		}
		NextMarker string
	}
	keys, next := s.list(prefix, after)
	list.NextMarker = next
	for _, k := range keys {
		b := blob{Name: k}
		b.Properties.Modified, b.Properties.Length, b.Properties.Type = azureTime, s.size(k), "BlockBlob"
		list.Blobs.Blob = append(list.Blobs.Blob, b)
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(list)
}

func azureError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Ms-Error-Code", code)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
}
