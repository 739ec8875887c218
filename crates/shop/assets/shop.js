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

// The checkout: only the chosen way is shown, each company says its cost when it
// is chosen, and the button that pays waits until all is chosen. What couriers
// have left is asked again and again.
for (const form of document.querySelectorAll("form[data-checkout]")) {
  const TYPING_MS = 300;
  const REFRESH_MS = 15000;
  const pay = form.querySelector("button[value=pay]");
  const update = () => {
    for (const section of form.querySelectorAll("[data-way]")) {
      section.disabled = section.dataset.way !== form.elements.way.value;
      section.hidden = section.disabled;
    }
    for (const variant of form.querySelectorAll(".variant")) {
      const more = variant.querySelector(".more");
      more.hidden = !variant.querySelector("input[type=radio]").checked;
      for (const field of more.querySelectorAll("input, select")) {
        field.disabled = more.hidden;
      }
    }
    for (const field of form.querySelectorAll("[data-needed]")) {
      field.required = true;
    }
    pay.disabled = !form.checkValidity();
  };
  const load = async (button) => {
    const place = document.getElementById(button.dataset.into);
    const body = new URLSearchParams(new FormData(form));
    const asked = body.get(button.dataset.of);
    const answer = await fetch(button.dataset.loads, { method: "POST", body });
    // An answer to what was asked before comes too late.
    if (answer.ok && asked === form.elements[button.dataset.of].value) {
      place.innerHTML = await answer.text();
      update();
    } else if (!answer.ok) {
      location.reload();
    }
  };
  for (const button of form.querySelectorAll("[data-loads]")) {
    const field = form.elements[button.dataset.of];
    let timer;
    button.addEventListener("click", (event) => {
      event.preventDefault();
      load(button);
    });
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => load(button), TYPING_MS);
    });
    setInterval(() => {
      const place = document.getElementById(button.dataset.into);
      const isIdle = !document.hidden && !place.contains(document.activeElement);
      if (isIdle && form.elements.way.value === "courier" && field.id === "address" && field.value) {
        load(button);
      }
    }, REFRESH_MS);
  }
  form.addEventListener("input", update);
  form.addEventListener("change", update);
  window.addEventListener("pageshow", update);
  update();
}

// A part of a page that is asked for again: what is in stock.
for (const part of document.querySelectorAll("[data-live]")) {
  const REFRESH_MS = 15000;
  setInterval(async () => {
    if (document.hidden) {
      return;
    }
    const answer = await fetch(location.href);
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      part.replaceChildren(...page.getElementById(part.id).childNodes);
    }
  }, REFRESH_MS);
}
