// Alipay's official Node SDK, unchanged, against the wallet simulator of a
// running sandbox: node check.mjs SANDBOX.JSON. Every answer's signature is
// verified by the SDK, and so is that of a notification. It ends with status 1
// at the first thing that is not as it should be.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { AlipaySdk } from 'alipay-sdk';

const sandbox = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const sdk = new AlipaySdk({
  appId: sandbox.openapi_app_id,
  privateKey: sandbox.openapi_app_private_key,
  keyType: 'PKCS8',
  alipayPublicKey: sandbox.openapi_alipay_public_key,
  gateway: sandbox.openapi,
  camelcase: false,
});
const validateSign = { validateSign: true };
const done = (what) => console.log('ok', what);

// Where notifications are sent to.
const notifications = [];
let told = () => {};
const shop = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => { body += chunk; });
  request.on('end', () => {
    notifications.push(Object.fromEntries(new URLSearchParams(body)));
    response.end('success');
    told();
  });
});
await new Promise((ready) => shop.listen(0, '127.0.0.1', ready));
const notify_url = `http://127.0.0.1:${shop.address().port}/notify`;
const notification = async (wanted) => {
  for (;;) {
    const found = notifications.find(wanted);
    if (found) return found;
    await new Promise((next) => { told = next; });
  }
};

// Who the buyer is.
const authorize = async () => {
  const page = new URL(sandbox.wallet + '/oauth2/grant');
  page.search = new URLSearchParams({ app_id: sandbox.openapi_app_id, scope: 'auth_base', redirect_uri: notify_url, state: 'x y', buyer: 'mei' });
  const back = await fetch(page, { redirect: 'manual' });
  const to = new URL(back.headers.get('location'));
  assert.equal(to.searchParams.get('state'), 'x y');
  return to.searchParams.get('auth_code');
};
const code = await authorize();
const token = await sdk.exec('alipay.system.oauth.token', { grant_type: 'authorization_code', code }, validateSign);
assert.match(token.user_id, /^2088\d{12}$/);
assert.ok(token.access_token && token.refresh_token);
const again = await sdk.exec('alipay.system.oauth.token', { grant_type: 'authorization_code', code });
assert.equal(again.sub_code, 'isv.code-invalid');
done('authorisation token, once for a code');

const create = (out_trade_no, change = {}) => sdk.exec('alipay.trade.create', {
  notify_url,
  bizContent: { out_trade_no, total_amount: '12.30', subject: '凍頂烏龍 <茶> "1+1"', buyer_id: token.user_id, ...change },
}, validateSign);
const made = await create('NODE_1');
assert.equal(made.code, '10000');
assert.equal((await create('NODE_1')).trade_no, made.trade_no);
assert.equal((await create('NODE_1', { total_amount: '12.31' })).sub_code, 'ACQ.CONTEXT_INCONSISTENT');
assert.equal((await create('NODE_2', { total_amount: '12.345' })).sub_code, 'ACQ.INVALID_PARAMETER');
assert.equal((await create('NODE_2', { buyer_id: '1' })).sub_code, 'ACQ.INVALID_PARAMETER');
done('create');

const query = (out_trade_no) => sdk.exec('alipay.trade.query', { bizContent: { out_trade_no } }, validateSign);
assert.equal((await query('NODE_1')).trade_status, 'WAIT_BUYER_PAY');
assert.equal((await query('NODE_9')).sub_code, 'ACQ.TRADE_NOT_EXIST');
const paid = await fetch(`${sandbox.control}/trades/NODE_1/pay`, { method: 'POST' });
assert.equal(paid.status, 200);
const now = await query('NODE_1');
assert.equal(now.trade_status, 'TRADE_SUCCESS');
assert.equal(now.total_amount, '12.30');
done('query');

const success = await notification((n) => n.trade_status === 'TRADE_SUCCESS');
assert.equal(success.trade_no, made.trade_no);
assert.ok(sdk.checkNotifySign(success), 'the notification verifies');
assert.ok(sdk.checkNotifySignV2(success), 'the notification verifies in the other way');
assert.ok(!sdk.checkNotifySign({ ...success, total_amount: '1.00' }), 'an altered one does not');
done('notification');

const refund = (out_request_no, refund_amount) => sdk.exec('alipay.trade.refund', { bizContent: { out_trade_no: 'NODE_1', out_request_no, refund_amount } }, validateSign);
const part = await refund('R1', '2.30');
assert.equal(part.fund_change, 'Y');
assert.equal(part.refund_fee, '2.30');
assert.equal((await refund('R1', '2.30')).fund_change, 'N');
assert.equal((await refund('R1', '1.00')).sub_code, 'ACQ.DISCORDANT_REPEAT_REQUEST');
assert.equal((await refund('R2', '10.01')).sub_code, 'ACQ.REFUND_AMT_NOT_EQUAL_TOTAL');
assert.equal((await refund('R2', '10.00')).refund_fee, '12.30');
assert.equal((await query('NODE_1')).trade_status, 'TRADE_CLOSED');
const back = await notification((n) => n.out_biz_no === 'R2');
assert.ok(sdk.checkNotifySign(back));
assert.equal(back.refund_fee, '12.30');
done('refund, and its notification');

const refundQuery = (out_request_no) => sdk.exec('alipay.trade.fastpay.refund.query', { bizContent: { out_trade_no: 'NODE_1', out_request_no } }, validateSign);
const known = await refundQuery('R1');
assert.equal(known.refund_status, 'REFUND_SUCCESS');
assert.equal(known.refund_amount, '2.30');
assert.equal((await refundQuery('R9')).refund_status, undefined);
done('refund query');

await create('NODE_3');
const close = (out_trade_no) => sdk.exec('alipay.trade.close', { bizContent: { out_trade_no } }, validateSign);
assert.equal((await close('NODE_3')).code, '10000');
assert.equal((await query('NODE_3')).trade_status, 'TRADE_CLOSED');
assert.equal((await close('NODE_3')).sub_code, 'ACQ.TRADE_STATUS_ERROR');
done('close');

const stranger = new AlipaySdk({ ...sdk.config, privateKey: process.argv[3] || sandbox.openapi_app_private_key, appId: '2021000000000009', keyType: 'PKCS8', alipayPublicKey: sandbox.openapi_alipay_public_key });
assert.equal((await stranger.exec('alipay.trade.query', { bizContent: { out_trade_no: 'NODE_1' } })).sub_code, 'isv.invalid-app-id');
done('a stranger is refused');

shop.close();
shop.closeAllConnections();
