package sign

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// Audience is whom identity tokens are for.
const Audience = "sigstore"

// maxToken is the size in bytes of an answer with a token.
const maxToken = 1 << 20

// HasToken tells whether the environment says that Token will find something.
func HasToken(getenv func(string) string) bool {
	return getenv("SIGSTORE_ID_TOKEN") != "" || getenv("ACTIONS_ID_TOKEN_REQUEST_URL") != "" && getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN") != ""
}

// Token is the identity token of whoever runs this: SIGSTORE_ID_TOKEN, or
// GitHub's for the job.
func Token(ctx context.Context, getenv func(string) string) (string, error) {
	if t := strings.TrimSpace(getenv("SIGSTORE_ID_TOKEN")); t != "" {
		return t, nil
	}
	at, bearer := getenv("ACTIONS_ID_TOKEN_REQUEST_URL"), getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if at == "" || bearer == "" {
		return "", fault.Hint(ErrNoIdentity,
			"set SIGSTORE_ID_TOKEN (GitLab: id_tokens, with aud: sigstore), or give the GitHub job permission id-token: write; or sign with --key or --ssh-key")
	}
	t, err := gitHub(ctx, at, bearer)
	if err != nil {
		return "", fmt.Errorf("asking GitHub for an identity token: %w", err)
	}
	return t, nil
}

func gitHub(ctx context.Context, at, bearer string) (string, error) {
	u, err := url.Parse(at)
	if err != nil {
		return "", errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is no address")
	}
	q := u.Query()
	q.Set("audience", Audience)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // the address may hold what nobody else should see
		}
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("it answers %s", resp.Status)
	}
	var answer struct{ Value string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxToken)).Decode(&answer); err != nil || answer.Value == "" {
		return "", errors.New("its answer has no token")
	}
	return answer.Value, nil
}

// claims are the subject and the issuer that a token names, unchecked: Fulcio
// checks them.
func claims(token string) (subject, issuer string, err error) {
	bad := fault.Hint(errors.New("the identity token is no JSON web token"), "SIGSTORE_ID_TOKEN must be an OpenID Connect ID token")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", "", bad
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", "", bad
	}
	var c struct {
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
		Email   string `json:"email"`
	}
	if err := json.Unmarshal(text, &c); err != nil || c.Issuer == "" || c.Subject == "" {
		return "", "", bad
	}
	if c.Email != "" {
		c.Subject = c.Email
	}
	return c.Subject, c.Issuer, nil
}
