package sampan_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/sampanpay/sampan"
)

func ExampleClient_AuthorizeURL() {
	client := &sampan.Client{
		BaseURL: "https://pay.example.com", AppCode: "YOUR_APP_CODE", ClientKey: "YOUR_CLIENT_KEY",
		Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }, // omit it in a shop
	}

	// A buyer opens the shop inside the Alipay app. Make a random state, for example with
	// crypto/rand.Text, keep it in the buyer's session, and redirect the buyer to the link.
	state := "KQ4VSZ6XJ7T2M5N3"
	link, err := client.AuthorizeURL(sampan.AuthorizationRequest{
		ReturnURL: "https://shop.example.com/alipay", State: state,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.HasPrefix(link, "https://pay.example.com/authorize/alipay?app_code=YOUR_APP_CODE&"))

	// The buyer returns to https://shop.example.com/alipay with:
	r := httptest.NewRequest("GET",
		"/alipay?expires=1767323345&openid=2088102122524333&state=KQ4VSZ6XJ7T2M5N3"+
			"&sig=a646cc4bf88597b5ae52823c641dfd4fd764bcff8964e2acbb839c3f56d51099", nil)
	buyer, err := client.VerifyAuthorization(r, state)
	switch {
	case errors.Is(err, sampan.ErrAuthorizationExpired):
		fmt.Println("send the buyer through a new link")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("pay with OpenID", buyer.OpenID)
	}
	// Output:
	// true
	// pay with OpenID 2088102122524333
}
