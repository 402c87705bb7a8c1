// Package sigv4 checks the signatures of requests to AWS services: Signature
// Version 4 in the Authorization header or, presigned, in the query. It also
// tells which service a request is meant for, since one endpoint serves all.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Reasons to refuse a request.
var (
	ErrMissing    = errors.New("the request is not signed")
	ErrUnknownKey = errors.New("the security token included in the request is invalid")
	ErrMismatch   = errors.New("the request signature we calculated does not match the signature you provided")
	ErrStale      = errors.New("signature expired")
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
	maxSkew    = 15 * time.Minute // AWS's tolerance between its clock and the client's
)

// Signature is what a request says about its own signature.
type Signature struct {
	AccessKey string
	Date      string // YYYYMMDD
	Region    string
	Service   string
	Headers   []string // that were signed, lower case
	Value     string
	Token     string // of temporary credentials
	Time      time.Time
	Expires   time.Duration // of a presigned request
	Presigned bool
}

// Parse reads the signature of a request.
func Parse(h http.Header, query url.Values) (Signature, error) {
	var s Signature
	var credential, headers, at string
	if auth := h.Get("Authorization"); auth != "" {
		rest, ok := strings.CutPrefix(auth, algorithm+" ")
		if !ok {
			return s, ErrMissing
		}
		for part := range strings.SplitSeq(rest, ",") {
			key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch key {
			case "Credential":
				credential = value
			case "SignedHeaders":
				headers = value
			case "Signature":
				s.Value = value
			}
		}
		at, s.Token = h.Get("X-Amz-Date"), h.Get("X-Amz-Security-Token")
	} else if query.Get("X-Amz-Algorithm") == algorithm {
		credential, headers = query.Get("X-Amz-Credential"), query.Get("X-Amz-SignedHeaders")
		at, s.Value, s.Presigned = query.Get("X-Amz-Date"), query.Get("X-Amz-Signature"), true
		s.Token = query.Get("X-Amz-Security-Token")
		s.Expires = maxSkew
		if seconds, err := strconv.Atoi(query.Get("X-Amz-Expires")); err == nil {
			s.Expires = time.Duration(seconds) * time.Second
		}
	} else {
		return s, ErrMissing
	}
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || scope[4] != "aws4_request" {
		return s, fmt.Errorf("%w: the credential must be KEY/DATE/REGION/SERVICE/aws4_request", ErrMissing)
	}
	s.AccessKey, s.Date, s.Region, s.Service = scope[0], scope[1], scope[2], scope[3]
	s.Headers = strings.Split(headers, ";")
	var err error
	if s.Time, err = time.Parse(timeFormat, at); err != nil {
		return s, fmt.Errorf("%w: X-Amz-Date %q", ErrMissing, at)
	}
	return s, nil
}

// Keys finds the secret of an access key.
type Keys func(accessKey string) (secret string, ok bool)

// Verify recomputes the signature of a request. Presigned STS requests carry
// no body; for all others body is what was sent.
func (s Signature) Verify(r *http.Request, body []byte, keys Keys) error {
	secret, ok := keys(s.AccessKey)
	if !ok {
		return ErrUnknownKey
	}
	want := s.sign(secret, s.canonical(r, body))
	if subtle.ConstantTimeCompare([]byte(want), []byte(s.Value)) != 1 {
		return ErrMismatch
	}
	if s.Date != s.Time.Format("20060102") {
		return ErrMismatch
	}
	return nil
}

// Fresh tells whether the signature is of about now, or still valid if presigned.
func (s Signature) Fresh(now time.Time) error {
	end := s.Time.Add(maxSkew)
	if s.Presigned {
		end = s.Time.Add(s.Expires)
	}
	if now.After(end) || s.Time.After(now.Add(maxSkew)) {
		return fmt.Errorf("%w: %s is not within the allowed time of %s", ErrStale, s.Time.Format(timeFormat),
			now.UTC().Format(timeFormat))
	}
	return nil
}

// canonical is the request in the form that is signed.
func (s Signature) canonical(r *http.Request, body []byte) string {
	path := escape(r.URL.EscapedPath(), true)
	if path == "" {
		path = "/"
	}
	var headers strings.Builder
	for _, name := range s.Headers {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.Join(strings.Fields(value), " "))
	}
	payload := r.Header.Get("X-Amz-Content-Sha256")
	if payload == "" {
		sum := sha256.Sum256(body)
		payload = hex.EncodeToString(sum[:])
	}
	return strings.Join([]string{r.Method, path, canonicalQuery(r.URL.Query()), headers.String(),
		strings.Join(s.Headers, ";"), payload}, "\n")
}

func canonicalQuery(query url.Values) string {
	var parts []string
	for key, values := range query {
		if key == "X-Amz-Signature" {
			continue
		}
		for _, v := range values {
			parts = append(parts, escape(key, false)+"="+escape(v, false))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

func (s Signature) sign(secret, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	scope := strings.Join([]string{s.Date, s.Region, s.Service, "aws4_request"}, "/")
	text := strings.Join([]string{algorithm, s.Time.Format(timeFormat), scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.Date, s.Region, s.Service, "aws4_request"} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// escape is RFC 3986: everything but letters, digits and -_.~ is encoded.
func escape(text string, slash bool) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~", c) >= 0,
			c == '/' && slash:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
