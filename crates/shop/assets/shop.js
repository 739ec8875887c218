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

// What to pay with: the button waits until something is chosen.
for (const form of document.querySelectorAll("form[data-choice]")) {
  const button = form.querySelector("button");
  const wake = () => {
    button.disabled = !form.querySelector("input:checked");
  };
  form.addEventListener("change", wake);
  wake();
}

// The checkout: only the chosen way is shown, each company says its cost when it
// is chosen, and the button that pays waits until all is chosen. What couriers
// have left is asked again and again.
for (const form of document.querySelectorAll("form[data-checkout]")) {
  const TYPING_MS = 300;
  const REFRESH_MS = 15000;
  const pay = form.querySelector("button[value=pay]");
  const status = form.querySelector("[data-status]");
  const chosen = { courier: "input[name=company]:checked", point: "input[name=point]:checked" };
  const update = () => {
    const way = form.elements.way.value;
    for (const section of form.querySelectorAll("[data-way]")) {
      section.disabled = section.dataset.way !== way;
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
    pay.disabled = !way || !form.querySelector(chosen[way]) || !form.checkValidity();
  };
  const content = () => new URLSearchParams(new FormData(form)).toString();
  const shown = new Map();
  // What has changed meanwhile is not overwritten: it is asked for again.
  const load = async (button) => {
    const place = document.getElementById(button.dataset.into);
    const sent = content();
    const answer = await fetch(button.dataset.loads, { method: "POST", body: new URLSearchParams(sent) });
    if (answer.status === 401 || answer.status === 403) {
      location.assign("/checkout");
      return;
    }
    const html = answer.ok ? await answer.text() : undefined;
    if (html !== undefined && sent !== content()) {
      return load(button);
    }
    if (html === undefined || html === shown.get(place)) {
      return;
    }
    const focused = place.contains(document.activeElement) ? document.activeElement : undefined;
    place.innerHTML = html;
    shown.set(place, html);
    if (focused) {
      const same = [...place.querySelectorAll("input, select")];
      same.find(({ name, value }) => name === focused.name && value === focused.value)?.focus();
    }
    status.textContent = place.querySelector("[role=status], [role=alert]")?.textContent ?? "";
    update();
  };
  // Without an answer the page stays as it is; the next look may bring one.
  const look = (button) => load(button).catch(() => undefined);
  for (const button of form.querySelectorAll("[data-loads]")) {
    const field = form.elements[button.dataset.of];
    const place = document.getElementById(button.dataset.into);
    let timer;
    button.addEventListener("click", (event) => {
      event.preventDefault();
      // Enter in the list is no wish to see it again.
      if (!place.contains(document.activeElement)) {
        look(button);
      }
    });
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(() => look(button), TYPING_MS);
    };
    field.addEventListener("input", later);
    setInterval(() => {
      const isIdle = !document.hidden && !place.contains(document.activeElement);
      if (isIdle && form.elements.way.value === "courier" && field.id === "address" && field.value) {
        look(button);
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
    const answer = await fetch(location.href).catch(() => undefined);
    if (answer?.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      part.replaceChildren(...page.getElementById(part.id).childNodes);
    }
  }, REFRESH_MS);
}
