// Package sts is the STS API: who the caller is.
package sts

import (
	"net/http"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Namespace is the XML namespace of answers.
const Namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// Identity is the answer to GetCallerIdentity.
type Identity struct {
	ARN     string `xml:"Arn" json:"Arn"`
	UserID  string `xml:"UserId" json:"UserId"`
	Account string `xml:"Account" json:"Account"`
}

// Actions lists what is implemented.
func Actions() map[string]wire.Action {
	return map[string]wire.Action{
		"GetCallerIdentity": func(*http.Request, wire.Form) (any, error) {
			return Identity{region.UserARN, region.UserID, region.Account}, nil
		},
	}
}

// WantsJSON tells whether the caller asked for JSON, which STS also speaks.
func WantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}

// JSON puts a result into STS's JSON envelope.
func JSON(action, requestID string, result any) any {
	return map[string]any{action + "Response": map[string]any{action + "Result": result,
		"ResponseMetadata": map[string]string{"RequestId": requestID}}}
}
