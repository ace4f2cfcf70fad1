// Compare pages: a row opens into its details, and two selects lead to another pair.
"use strict";
(() => {
  const open = () => {
    const target = window.location.hash.startsWith("#row-") ? document.getElementById(window.location.hash.slice(1)) : null;
    if (!target) return;
    target.open = true;
    target.scrollIntoView();
    target.querySelector("summary").focus({ preventScroll: true });
  };

  const pairs = (form) => {
    const { paths } = JSON.parse(document.getElementById(form.dataset.pairs).textContent);
    const [base, head, output] = [form.elements.base, form.elements.head, form.querySelector("output")];
    const chosen = () => paths[`${base.value} ${head.value}`];
    const show = () => {
      output.textContent = chosen() ? "" : base.value === head.value ? "One run on both sides." : "The head must be the newer run.";
    };
    form.hidden = false;
    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (chosen()) window.location.assign((document.body.dataset.root ?? "") + chosen());
      else show();
    });
  };

  window.addEventListener("hashchange", open);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#row-"]');
    if (link && link.hash === window.location.hash) open(); // no event where the address stays
  });
  document.querySelectorAll("form[data-pairs]").forEach(pairs);
  open();
})();
