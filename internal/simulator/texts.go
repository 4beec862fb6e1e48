package simulator

// texts are the words of the buyer's pages in English, Traditional and Simplified Chinese. The keys
// "outcome.…" end in an Outcome, the keys "app.…" in a result code.
var texts = map[string][3]string{
	"simulator":  {"Simulator: no real money", "模擬器：並非真實付款", "模拟器：并非真实付款"},
	"title":      {"Cashier", "收銀台", "收银台"},
	"ALIPAYCN":   {"Alipay", "支付寶", "支付宝"},
	"ALIPAYHK":   {"AlipayHK", "支付寶香港", "支付宝香港"},
	"pay-to":     {"Pay to", "付款給", "付款给"},
	"order":      {"Order", "訂單", "订单"},
	"about":      {"about", "約", "约"},
	"who":        {"Pay as", "付款人", "付款人"},
	"balance":    {"balance", "餘額", "余额"},
	"pay":        {"Pay", "付款", "付款"},
	"wrong":      {"Enter a wrong password", "輸入錯誤的密碼", "输入错误的密码"},
	"poor":       {"Pay with insufficient funds", "餘額不足", "余额不足"},
	"cancel":     {"Cancel", "取消", "取消"},
	"leave":      {"Leave", "離開", "离开"},
	"return":     {"Back to the shop", "返回商店", "返回商店"},
	"processing": {"One moment, please …", "請稍候……", "请稍候……"},
	"error":      {"This payment cannot continue", "無法繼續付款", "无法继续付款"},
	"authorize":  {"Authorisation", "授權", "授权"},
	"asks":       {"wants to know who you are", "想知道您的身分", "想知道您的身份"},
	"logged-in":  {"You are logged in as", "您的登入帳戶", "您的登录账户"},
	"code":       {"Error code", "錯誤代碼", "错误代码"},

	"app.as":   {"as", "付款人：", "付款人："},
	"app.9000": {"Pay", "付款", "付款"},
	"app.8000": {"Pay, and report “in process”", "付款，並回報「處理中」", "付款，并回报“处理中”"},
	"app.6002": {"Pay, and lose the network", "付款，然後斷網", "付款，然后断网"},
	"app.4000": {"Fail", "付款失敗", "付款失败"},
	"app.6001": {"Leave", "離開", "离开"},

	"outcome.paid":           {"Paid", "付款成功", "付款成功"},
	"outcome.wrong-password": {"Wrong password. Try again.", "密碼錯誤，請重試。", "密码错误，请重试。"},
	"outcome.insufficient": {
		"The balance is too low. Choose another way to pay.",
		"餘額不足，請選擇其他付款方式。", "余额不足，请选择其他付款方式。",
	},
	"outcome.cancelled": {
		"You cancelled. The shop gets no notification.",
		"您已取消，商店不會收到通知。", "您已取消，商店不会收到通知。",
	},
	"outcome.left": {
		"You left without paying. You can still pay here.",
		"您尚未付款就離開，仍可在此付款。", "您尚未付款就离开，仍可在此付款。",
	},
	"outcome.expired":      {"The time to pay has ended.", "付款時間已過。", "付款时间已过。"},
	"outcome.already-paid": {"This order is already paid.", "此訂單已付款。", "此订单已付款。"},
	"outcome.closed":       {"This order is closed.", "此訂單已關閉。", "此订单已关闭。"},
	"outcome.inconsistent": {"The order has changed since it was opened.", "訂單資料與先前不一致。", "订单信息与先前不一致。"},
	"outcome.other-buyer": {
		"Another account started this payment. Use that account.",
		"此筆付款由另一帳戶開始，請使用該帳戶。", "此笔付款由另一账户开始，请使用该账户。",
	},
}
