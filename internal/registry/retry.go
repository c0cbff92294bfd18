package registry

import (
	"errors"
	"io"
	"net/http"
	"syscall"
	"time"
)

// retrying asks again where a registry or the way to it had a bad moment. What
// is sent must be given in a form that can be sent again (http.Request.GetBody).
type retrying struct{ http.RoundTripper }

const tries = 3

func (t retrying) RoundTrip(r *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		if try > 1 && r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			r = r.Clone(r.Context())
			r.Body = body
		}
		resp, err := t.RoundTripper.RoundTrip(r)
		again := err != nil && passing(err) || err == nil && busy(resp.StatusCode)
		if !again || try == tries || r.Body != nil && r.GetBody == nil {
			return resp, err
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(time.Duration(try*try) * 300 * time.Millisecond):
		}
	}
}

func passing(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func busy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
