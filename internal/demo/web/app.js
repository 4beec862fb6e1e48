// Polls the state of an open order and reloads the page when it changes. Without this script the page
// reloads by itself.
(function () {
  'use strict';
  var state = document.getElementById('state');
  var now = state && state.dataset.state;
  if (now !== 'waiting' && now !== 'refunding') return;
  var gap = 1000;

  function later() {
    setTimeout(ask, gap);
    gap = Math.min(gap * 1.2, 10000);
  }
  function ask() {
    fetch(state.dataset.status).then(function (answer) {
      return answer.json();
    }).then(function (order) {
      if (order.state !== now) location.reload(); else later();
    }).catch(later);
  }

  later();
  document.addEventListener('visibilitychange', function () { gap = 1000; });
})();
