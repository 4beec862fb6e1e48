// Follows an order until it is paid, then shows it anew. Without this script the
// page reloads itself.
(function () {
  'use strict';
  var state = document.getElementById('state');
  if (!state || state.dataset.state !== 'waiting') return;
  var gap = 1000;

  function later() {
    setTimeout(ask, gap);
    gap = Math.min(gap * 1.2, 10000);
  }
  function ask() {
    fetch(state.dataset.status).then(function (answer) {
      return answer.json();
    }).then(function (order) {
      if (order.state === 'paid') location.reload(); else later();
    }).catch(later);
  }

  later();
  document.addEventListener('visibilitychange', function () { gap = 1000; });
})();
