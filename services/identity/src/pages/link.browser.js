// The secret of a mailed link stands behind the "#", which browsers send to nobody. It goes into the form, and out of
// the address bar and the history.
const field = document.querySelector('[data-link-secret]');
const secret = location.hash.slice(1);
if (field instanceof HTMLInputElement && /^\w{20,200}$/.test(secret)) {
  field.value = secret;
  const part = field.closest('[data-link-part]');
  if (part instanceof HTMLElement) part.hidden = true;
  history.replaceState(null, '', location.pathname);
}
