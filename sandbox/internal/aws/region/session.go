package region

import (
	"errors"
	"strings"
	"time"
)

// Session is a set of temporary credentials, as STS gives them out.
type Session struct {
	AccessKey string // ASIA…
	Secret    string
	Token     string
	Caller    Caller
	Expires   time.Time
}

// Caller is who signed a request.
type Caller struct {
	ARN    string // of the user, or arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
	UserID string // AIDA…, or AROA…:SESSION
	Role   string // ARN of the role that was assumed; empty: none was
}

// Principal is whom an EKS access entry names: the role that was assumed, or the user.
func (c Caller) Principal() string {
	if c.Role != "" {
		return c.Role
	}
	return c.ARN
}

// Owner is the caller with the permanent key.
var Owner = Caller{ARN: UserARN, UserID: UserID}

// Reasons why credentials do not hold.
var (
	ErrUnknownToken = errors.New("the security token included in the request is invalid")
	ErrExpiredToken = errors.New("the security token included in the request is expired")
)

// Secret is the secret of an access key, permanent or temporary.
func (s *State) Secret(accessKey string) (string, bool) {
	if accessKey == AccessKey {
		return SecretKey, true
	}
	if session, ok := s.Sessions[accessKey]; ok {
		return session.Secret, true
	}
	return "", false
}

// Caller finds out who signs with an access key and a session token. The
// permanent key has no token, and a temporary one is nothing without its own.
func (s *State) Caller(accessKey, token string, now time.Time) (Caller, error) {
	if accessKey == AccessKey && token == "" {
		return Owner, nil
	}
	session, ok := s.Sessions[accessKey]
	switch {
	case !ok || session.Token != token:
		return Caller{}, ErrUnknownToken
	case !now.Before(session.Expires):
		return Caller{}, ErrExpiredToken
	}
	return session.Caller, nil
}

// kept is how long an expired session is remembered, so that its end is told
// from a key that never was.
const kept = 7 * 24 * time.Hour

// OpenSession makes temporary credentials.
func (s *State) OpenSession(who Caller, now time.Time, life time.Duration) *Session {
	for key, old := range s.Sessions {
		if now.Sub(old.Expires) > kept {
			delete(s.Sessions, key)
		}
	}
	session := &Session{AccessKey: "ASIA" + strings.ToUpper(randomHex(16)), Secret: randomHex(40), Token: "IQoJ" + randomHex(200),
		Caller: who, Expires: now.Add(life).Truncate(time.Second)}
	s.Sessions[session.AccessKey] = session
	return session
}
