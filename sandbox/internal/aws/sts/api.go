// Package sts is the STS API: who the caller is, and temporary credentials.
package sts

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Namespace is the XML namespace of answers.
const Namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// Service answers STS requests.
type Service struct {
	store *region.Store
	now   func() time.Time
}

// New makes the service.
func New(store *region.Store, now func() time.Time) *Service { return &Service{store: store, now: now} }

// Actions lists what is implemented.
func (s *Service) Actions() map[string]wire.Action {
	return map[string]wire.Action{
		"GetCallerIdentity": s.identity,
		"GetSessionToken":   s.sessionToken,
		"AssumeRole":        wire.Must(s.assumeRole, "RoleArn", "RoleSessionName"),
		"GetAccessKeyInfo":  wire.Must(s.keyInfo, "AccessKeyId"),
	}
}

// Identity is the answer to GetCallerIdentity.
type Identity struct {
	ARN     string `xml:"Arn" json:"Arn"`
	UserID  string `xml:"UserId" json:"UserId"`
	Account string `xml:"Account" json:"Account"`
}

func (s *Service) identity(r *http.Request, _ wire.Form) (any, error) {
	who := wire.CallerOf(r.Context())
	return Identity{who.ARN, who.UserID, region.Account}, nil
}

func (s *Service) keyInfo(_ *http.Request, f wire.Form) (any, error) {
	known := false
	s.store.View(func(st *region.State) { _, known = st.Secret(f.Get("AccessKeyId")) })
	if !known {
		return nil, invalid("The access key %q is not known", f.Get("AccessKeyId"))
	}
	return struct{ Account string }{region.Account}, nil
}

// credentials are temporary ones, as this API writes them.
type credentials struct {
	AccessKeyID string `xml:"AccessKeyId" json:"AccessKeyId"`
	Secret      string `xml:"SecretAccessKey" json:"SecretAccessKey"`
	Token       string `xml:"SessionToken" json:"SessionToken"`
	Expiration  string
}

func show(s *region.Session) credentials {
	return credentials{s.AccessKey, s.Secret, s.Token, s.Expires.UTC().Format(time.RFC3339)}
}

// open makes a session that lives for as long as the request says.
func (s *Service) open(f wire.Form, standard, most time.Duration, who func(*region.State) (region.Caller, time.Duration, error)) (out credentials, err error) {
	life, err := duration(f, standard, most)
	if err != nil {
		return out, err
	}
	err = s.store.Update(f.Whole(func(st *region.State) error {
		caller, limit, err := who(st)
		if err != nil {
			return err
		}
		if life > limit {
			return invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
		}
		out = show(st.OpenSession(caller, region.Stamp(s.now()), life))
		return nil
	}))
	return out, err
}

// shortest is the least that temporary credentials live.
const shortest = 15 * time.Minute

func duration(f wire.Form, standard, most time.Duration) (time.Duration, error) {
	if !f.Has("DurationSeconds") {
		return standard, nil
	}
	n := f.Int("DurationSeconds")
	if n == nil || time.Duration(*n)*time.Second < shortest || time.Duration(*n)*time.Second > most {
		return 0, invalid("Value '%s' at 'durationSeconds' must be between %.0f and %.0f", f.Get("DurationSeconds"),
			shortest.Seconds(), most.Seconds())
	}
	return time.Duration(*n) * time.Second, nil
}

func invalid(format string, args ...any) error {
	return region.Errorf(region.Invalid, "ValidationError", format, args...)
}

func (s *Service) sessionToken(r *http.Request, f wire.Form) (any, error) {
	who := wire.CallerOf(r.Context())
	if who != region.Owner {
		return nil, region.Errorf(region.Invalid, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	const most = 36 * time.Hour
	out, err := s.open(f, 12*time.Hour, most, func(*region.State) (region.Caller, time.Duration, error) { return who, most, nil })
	return struct{ Credentials credentials }{out}, err
}

// sessionName is what AWS allows as the name of a role's session.
var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// assumeRole gives the credentials of any role: trust policies are not looked at,
// nor the external ID that one may ask for.
func (s *Service) assumeRole(_ *http.Request, f wire.Form) (any, error) {
	type user struct {
		ARN string `xml:"Arn" json:"Arn"`
		ID  string `xml:"AssumedRoleId" json:"AssumedRoleId"`
	}
	var out struct {
		Credentials credentials
		User        user `xml:"AssumedRoleUser" json:"AssumedRoleUser"`
	}
	f.Ignore("ExternalId")
	name := f.Get("RoleSessionName")
	if !sessionName.MatchString(name) {
		return nil, invalid("Value '%s' at 'roleSessionName' must be 2 to 64 letters, digits and characters of _+=,.@-", name)
	}
	var err error
	out.Credentials, err = s.open(f, time.Hour, 12*time.Hour, func(st *region.State) (region.Caller, time.Duration, error) {
		role := st.RoleByARN(f.Get("RoleArn"))
		if role == nil {
			return region.Caller{}, 0, region.Errorf(region.Invalid, "AccessDenied",
				"User: %s is not authorized to perform: sts:AssumeRole on resource: %s", region.UserARN, f.Get("RoleArn"))
		}
		out.User = user{"arn:aws:sts::" + region.Account + ":assumed-role/" + role.RoleName + "/" + name, role.RoleID + ":" + name}
		return region.Caller{ARN: out.User.ARN, UserID: out.User.ID, Role: role.Arn},
			time.Duration(role.MaxSessionDuration) * time.Second, nil
	})
	return out, err
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
