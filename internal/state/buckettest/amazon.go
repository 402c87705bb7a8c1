package buckettest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// amazon is S3's REST API, as of 2006-03-01, with the bucket in the path.
func (s *Server) amazon(w http.ResponseWriter, r *http.Request) {
	key, ok := strings.CutPrefix(r.URL.Path, "/"+Name)
	key = strings.TrimPrefix(key, "/")
	body, err := amazonBody(r)
	switch {
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=a/"):
		amazonError(w, http.StatusForbidden, "AccessDenied")
	case !ok:
		amazonError(w, http.StatusNotFound, "NoSuchBucket")
	case err != nil:
		amazonError(w, http.StatusBadRequest, "XAmzContentSHA256Mismatch")
	case r.Method == http.MethodGet && key == "" && r.URL.Query().Get("list-type") == "2":
		s.amazonList(w, r.URL.Query().Get("prefix"), r.URL.Query().Get("continuation-token"))
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && key != "":
		s.amazonGet(w, key)
	case r.Method == http.MethodPut && key != "" && r.URL.Query().Get("uploadId") == "":
		s.amazonPut(w, r, key, body)
	case r.Method == http.MethodDelete && key != "":
		s.remove(key)
		w.WriteHeader(http.StatusNoContent)
	default:
		unknown(w, r)
	}
}

// amazonBody is what was sent, if it has the checksum that was signed. The SDK
// wraps it into chunks where it signs each.
func amazonBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
		return unchunk(body)
	}
	sum := sha256.Sum256(body)
	if signed := r.Header.Get("X-Amz-Content-Sha256"); signed != hex.EncodeToString(sum[:]) {
		return nil, fmt.Errorf("the checksum %s was signed", signed)
	}
	return body, nil
}

func unchunk(body []byte) (data []byte, err error) {
	for {
		head, rest, _ := bytes.Cut(body, []byte("\r\n"))
		length, _, _ := strings.Cut(string(head), ";")
		n, err := strconv.ParseInt(length, 16, 64)
		if err != nil || n > int64(len(rest)) {
			return nil, fmt.Errorf("a chunk begins with %q", head)
		}
		if n == 0 {
			return data, nil
		}
		data, body = append(data, rest[:n]...), rest[n+2:]
	}
}

func (s *Server) amazonPut(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	condition := r.Header.Get("If-None-Match")
	if condition != "" && condition != "*" {
		amazonError(w, http.StatusNotImplemented, "NotImplemented")
		return
	}
	switch s.put(key, body, condition == "*") {
	case written:
		w.Header().Set("ETag", `"e"`)
	case refused:
		amazonError(w, http.StatusPreconditionFailed, "PreconditionFailed")
	case contested:
		amazonError(w, http.StatusConflict, "ConditionalRequestConflict")
	}
}

func (s *Server) amazonGet(w http.ResponseWriter, key string) {
	data, ok := s.get(key)
	if !ok {
		amazonError(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	w.Header().Set("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
	w.Header().Set("X-Amz-Checksum-Crc32", base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(data))))
	_, _ = w.Write(data)
}

func (s *Server) amazonList(w http.ResponseWriter, prefix, after string) {
	type object struct {
		Key          string
		Size         int
		LastModified string
		ETag         string
	}
	var list struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []object
	}
	keys, next := s.list(prefix, after)
	list.IsTruncated, list.NextContinuationToken = next != "", next
	for _, k := range keys {
		list.Contents = append(list.Contents, object{k, s.size(k), "2026-01-01T00:00:00Z", `"e"`})
	}
	_ = xml.NewEncoder(w).Encode(list)
}

func amazonError(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
}
