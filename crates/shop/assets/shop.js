// A form whose button waits until all fields are filled in. Without scripts the
// button is awake, and the server answers at each field.
for (const form of document.querySelectorAll("form[data-waits]")) {
  const button = form.querySelector("button[type=submit]");
  const update = () => {
    button.disabled = !form.checkValidity();
  };
  form.addEventListener("input", update);
  form.addEventListener("change", update);
  window.addEventListener("pageshow", update);
  update();
}

// A link that asks before something is done: with scripts in a window of this
// page, without them on a page of its own.
for (const link of document.querySelectorAll("a[data-opens]")) {
  const dialog = document.getElementById(link.dataset.opens);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.showModal();
  });
}
