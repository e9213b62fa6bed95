/// <reference lib="dom" />
// Posts the sign-in to the application; without scripts the button on the page does the same.
const form = document.querySelector('form[data-submit-at-once]');
if (form instanceof HTMLFormElement) form.submit();
