// The admin pages: login, home and Config. The token is kept by the browser, so any replica can answer a reload.
"use strict";

const page = document.getElementById("page");
const HEADER = "X-DreamFactory-Session-Token";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

async function call(method, path, body) {
  const headers = {};
  const token = localStorage.getItem("session_token");
  if (token) headers[HEADER] = token;
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch("/api/v2/system/" + path, {method, headers, body: body && JSON.stringify(body)});
  const text = await answer.text();
  let document = {};
  try { document = JSON.parse(text); } catch { document = {error: {message: "The server answered " + answer.status}}; }
  if (!answer.ok) {
    if (answer.status === 401 || answer.status === 403) localStorage.removeItem("session_token");
    throw new Error(document.error ? document.error.message : "The server answered " + answer.status);
  }
  return document;
}

function loginPage() {
  const told = element("p", {id: "told", class: "error", role: "alert"});
  const form = element("form", {id: "login"},
    element("label", {}, "Email", element("input", {name: "email", type: "email", required: ""})),
    element("label", {}, "Password", element("input", {name: "password", type: "password", required: ""})),
    element("button", {type: "submit"}, "Log in"), told);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const session = await call("POST", "admin/session", {email: form.email.value, password: form.password.value});
      localStorage.setItem("session_token", session.session_token);
      location.hash = "#/home";
    } catch (error) { told.textContent = error.message; }
  });
  page.replaceChildren(element("h1", {}, "Log in"), form);
}

async function homePage() {
  const session = await call("GET", "admin/session");
  page.replaceChildren(element("h1", {id: "home"}, "Home"), element("p", {}, "Logged in as " + session.name + "."),
    element("p", {}, element("a", {href: "#/config"}, "Config"), " tells which server answers."));
}

async function configPage() {
  const facts = await call("GET", "environment");
  const table = element("table");
  const row = (label, value, id) => table.append(element("tr", {}, element("th", {}, label), element("td", id ? {id} : {}, String(value))));
  row("Server Host", facts.server.host, "server-host");
  row("Server OS", facts.server.server_os);
  row("Server Release", facts.server.release);
  if (facts.platform) {
    row("DreamFactory Version", facts.platform.version);
    row("System Database", facts.platform.db_driver);
    row("System Cache", facts.platform.cache_driver, "cache-driver");
    row("Log Level", facts.platform.log_level);
  }
  row("Client IP", facts.client.ip_address);
  page.replaceChildren(element("h1", {id: "config"}, "Config"), table);
}

async function show() {
  const inside = Boolean(localStorage.getItem("session_token"));
  document.getElementById("logout").hidden = !inside;
  const where = location.hash || "#/home";
  if (!inside) { loginPage(); return; }
  try {
    await (where === "#/config" ? configPage() : homePage());
  } catch (error) {
    if (!localStorage.getItem("session_token")) { show(); return; }
    page.replaceChildren(element("h1", {}, "That did not work"), element("p", {class: "error"}, error.message));
  }
}

document.getElementById("logout").addEventListener("click", async () => {
  try { await call("DELETE", "admin/session"); } finally {
    localStorage.removeItem("session_token");
    show();
  }
});
window.addEventListener("hashchange", show);
show();
