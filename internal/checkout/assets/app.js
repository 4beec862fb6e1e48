// This script copies the link, opens the wallet's cashier, waits for a payment's
// outcome and goes back to the shop. Its syntax is old on purpose: chat apps have old browsers.
(function () {
  'use strict';

  var copy = document.getElementById('copy');
  if (copy) {
    copy.hidden = false;
    copy.addEventListener('click', function () {
      var link = document.getElementById('link');
      if (navigator.clipboard && navigator.clipboard.writeText) {
        navigator.clipboard.writeText(link.textContent).then(copied, function () { select(link); });
      } else {
        select(link);
      }
    });
  }

  // select marks the link. The buyer copies it by hand if the browser does not let us.
  function select(link) {
    var range = document.createRange();
    range.selectNodeContents(link);
    var selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    try { if (document.execCommand('copy')) copied(); } catch (e) { /* the link stays marked */ }
  }

  function copied() {
    var text = copy.textContent;
    if (text === copy.getAttribute('data-done')) return;
    copy.textContent = copy.getAttribute('data-done');
    setTimeout(function () { copy.textContent = text; }, 2500);
  }

  var page = document.querySelector('main');
  var address = page.getAttribute('data-poll');
  var askWallet = address && follow();
  if (page.getAttribute('data-trade')) cashier();

  // cashier opens the wallet's own window over this page. Its answer is only a
  // hint: the payment's status is the outcome. If the buyer may have paid, the
  // result page waits for the status.
  function cashier() {
    var button = document.getElementById('pay'), open = false;
    var late = setTimeout(function () { show('unopened'); }, 6000);
    button.addEventListener('click', pay);
    if (window.AlipayJSBridge) pay();
    else document.addEventListener('AlipayJSBridgeReady', pay);

    function pay() {
      if (open || !window.AlipayJSBridge) return;
      open = true;
      clearTimeout(late);
      show('opening');
      window.AlipayJSBridge.call('tradePay', { tradeNO: page.getAttribute('data-trade') }, function (answer) {
        open = false;
        switch (String(answer && answer.resultCode)) {
          case '6001': // the buyer closed it
            show('cancelled');
            break;
          case '4000': // the wallet refused the payment
          case '4':
            show('refused');
            askWallet();
            break;
          default:
            location.replace(page.getAttribute('data-result'));
        }
      });
    }

    function show(what) {
      ['opening', 'cancelled', 'refused', 'unopened'].forEach(function (id) {
        document.getElementById(id).hidden = id !== what;
      });
      document.body.className = 'window ' + what;
      button.hidden = what === 'opening' || what === 'unopened';
      document.getElementById('ways').hidden = what !== 'unopened';
      var leave = document.getElementById('leave');
      if (leave) leave.hidden = what === 'opening';
    }
  }

  // follow fetches the status after 1, 2, 3.5, 5.75 … seconds, later every 15
  // seconds. For any status but "waiting" it loads the page that shows it. It
  // returns a function that has the wallet asked at once.
  function follow() {
    var gap = 1000, timer, asking;
    var slow = document.getElementById('slow');
    if (slow) setTimeout(function () { slow.hidden = false; }, Number(page.getAttribute('data-slow-after')));
    timer = setTimeout(function () { ask(); }, gap);
    document.addEventListener('visibilitychange', function () {
      if (!document.hidden) ask();
    });
    return function () { ask('?ask=1'); };

    function ask(query) {
      if (asking) return;
      asking = true;
      clearTimeout(timer);
      var request = new XMLHttpRequest();
      request.open('GET', address + (query || ''));
      request.timeout = 10000;
      request.onloadend = function () {
        asking = false;
        var status = 'waiting';
        try { if (request.status === 200) status = JSON.parse(request.responseText).status; } catch (e) { /* fetch it again */ }
        if (status !== 'waiting') {
          location.replace(page.getAttribute('data-next'));
          return;
        }
        timer = setTimeout(function () { ask(); }, gap);
        gap = Math.min(gap * 1.5, 15000);
      };
      request.send();
    }
  }

  var leaving = document.getElementById('leaving');
  if (leaving) leave(2);

  function leave(seconds) {
    if (seconds > 0) {
      leaving.textContent = leaving.getAttribute('data-soon').replace('{n}', seconds);
      setTimeout(function () { leave(seconds - 1); }, 1000);
      return;
    }
    var shop = document.getElementById('leave');
    if (/^https?:$/.test(shop.protocol)) location.replace(shop.href);
  }
})();
