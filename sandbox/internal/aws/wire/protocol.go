package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// Protocol is how a service's clients talk.
type Protocol int

// The protocols.
const (
	Query  Protocol = iota // awsQuery: Auto Scaling, ELB, IAM, STS
	EC2                    // ec2Query
	JSON10                 // awsJson1_0: Cloud Control
	JSON11                 // awsJson1_1: SSM, ACM
	REST                   // restJson1: EKS
)

// Action answers one query request. The result is marshalled as XML.
type Action func(*http.Request, Form) (any, error)

// UnknownAction is what services answer to what they do not know.
func UnknownAction(p Protocol, name string) error {
	if p == Query || p == EC2 {
		return region.Errorf(region.Invalid, "InvalidAction",
			"The action %s is not valid for this web service, or the sandbox does not implement it.", name)
	}
	return region.Errorf(region.Invalid, "UnknownOperationException", "The sandbox does not implement %s.", name)
}

// Status is the HTTP status of an error: 400 unless the service is known to
// use another one.
func (p Protocol) Status(err error) int {
	var e *region.Error
	if !errors.As(err, &e) {
		return http.StatusInternalServerError
	}
	switch e.Code {
	case "SignatureDoesNotMatch", "InvalidClientTokenId", "InvalidSignatureException", "UnrecognizedClientException",
		"MissingAuthenticationToken", "MissingAuthenticationTokenException", "ExpiredToken", "ExpiredTokenException":
		return http.StatusForbidden
	case "AccessDenied", "AccessDeniedException":
		return http.StatusForbidden
	case "DryRunOperation":
		return http.StatusPreconditionFailed
	case "AuthFailure":
		return http.StatusUnauthorized
	case "NoSuchEntity":
		return http.StatusNotFound
	case "EntityAlreadyExists", "DeleteConflict", "LimitExceeded":
		return http.StatusConflict
	}
	if p == REST {
		switch e.Kind {
		case region.NotFound:
			return http.StatusNotFound
		case region.Exists, region.Dependency, region.Busy:
			return http.StatusConflict
		case region.Invalid, region.Limit:
		}
	}
	return http.StatusBadRequest
}

// WriteError answers with an error.
func (p Protocol) WriteError(w http.ResponseWriter, requestID string, err error) {
	p.WriteStatus(w, requestID, p.Status(err), err)
}

// WriteStatus answers with an error and a status that need not be its own.
func (p Protocol) WriteStatus(w http.ResponseWriter, requestID string, status int, err error) {
	code, message := "InternalFailure", err.Error()
	var e *region.Error
	if errors.As(err, &e) {
		code, message = e.Code, e.Message
	}
	switch p {
	case EC2:
		var b bytes.Buffer
		encode(&b, "Response", reflect.ValueOf(ec2Error{Code: code, Message: message, RequestID: requestID}))
		writeXML(w, status, b.Bytes())
	case Query:
		fault := "Sender"
		if status >= 500 {
			fault = "Receiver"
		}
		var b bytes.Buffer
		encode(&b, "ErrorResponse", reflect.ValueOf(queryError{Type: fault, Code: code, Message: message, RequestID: requestID}))
		writeXML(w, status, b.Bytes())
	case JSON10, JSON11, REST:
		w.Header().Set("X-Amzn-ErrorType", code)
		p.WriteJSON(w, status, map[string]string{"__type": code, "message": message, "Message": message})
	}
}

type ec2Error struct {
	Code      string `xml:"Errors>Error>Code"`
	Message   string `xml:"Errors>Error>Message"`
	RequestID string
}

type queryError struct {
	Type      string `xml:"Error>Type"`
	Code      string `xml:"Error>Code"`
	Message   string `xml:"Error>Message"`
	RequestID string `xml:"RequestId"`
}

// WriteJSON answers with a JSON body.
func (p Protocol) WriteJSON(w http.ResponseWriter, status int, v any) {
	contentType := "application/json"
	switch p {
	case JSON10:
		contentType = "application/x-amz-json-1.0"
	case JSON11:
		contentType = "application/x-amz-json-1.1"
	case Query, EC2, REST:
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// WriteXML answers an action of a query service.
func (p Protocol) WriteXML(w http.ResponseWriter, action, namespace, requestID string, result any) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<%sResponse xmlns=%q>`, action, namespace)
	if p == EC2 {
		if result == nil {
			result = Done{Return: true}
		}
		encode(&b, "requestId", reflect.ValueOf(requestID)) // beside the result's own fields
		encodeFields(&b, reflect.Indirect(reflect.ValueOf(result)))
	} else {
		if result == nil {
			result = struct{}{}
		}
		encode(&b, action+"Result", reflect.ValueOf(result))
		encode(&b, "ResponseMetadata", reflect.ValueOf(struct {
			RequestID string `xml:"RequestId"`
		}{requestID}))
	}
	shut(&b, action+"Response")
	writeXML(w, http.StatusOK, b.Bytes())
}

func writeXML(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, xml.Header, string(body))
}

// Done is EC2's answer that holds nothing else.
type Done struct {
	Return bool `xml:"return"`
}
