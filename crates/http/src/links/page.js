// The script of the pages that emailed links open. The token of a link is in the fragment, which browsers do not send.
// The script removes the token from the address bar, and sends it to the API of this origin with the user's input. It
// sends and stores no cookie, and stores nothing else.

const [form, questions, submit, offer, result, username, name, password, again, show] =
  ["form", "questions", "submit", "offer", "result", "username", "name", "password", "password-again", "show"]
    .map((id) => document.getElementById(id));
const inputs = { name, password, "password-again": again };

const GONE = "This link is no longer valid: it was used, replaced or revoked, or it has expired.";
const SIGN_IN = "You can sign in now.";

/** For each page: its first step, the operation that it calls, and its texts for the outcome. */
const purposes = {
  confirm: {
    prepare: () => ask({ label: "Password" }),
    path: "auth/register/confirm",
    button: "Confirm the registration",
    done: `Done. ${SIGN_IN}`,
    refusals: {
      invalid_credentials: "This is not the password that was chosen at the registration.",
      slug_taken: "Another organisation has the short name that you chose. Register again with another one.",
      link_invalid: `${GONE} If you have confirmed the registration, sign in; otherwise register again.`,
    },
  },
  verify: {
    prepare: () => ask({ label: "Password of your account" }),
    path: "auth/email/verify",
    button: "Confirm the address",
    done: "Done. Your email address is confirmed.",
    refusals: {
      invalid_credentials: "This is not the password of the account.",
      email_taken: "Another account has this email address now. Use a different address.",
      link_invalid: `${GONE} If your address is not confirmed yet, sign in and request another link.`,
    },
  },
  reset: {
    prepare: () => ask({ label: "New password", isNew: true, isTwice: true }),
    path: "auth/password/reset",
    button: "Set the new password",
    done: `Done. Your new password is set, and every device is signed out. ${SIGN_IN}`,
    refusals: { link_invalid: `${GONE} If you still need a new password, request another link.` },
  },
  invite: {
    prepare: lookUp,
    path: "invitations/accept",
    button: "Join",
    done: `Done. ${SIGN_IN}`,
    refusals: {
      invalid_credentials: "This is not the password of your account.",
      tenant_suspended: "The organisation is suspended and accepts no members now. Open the link again later.",
      already_member: `You are already a member of this organisation. ${SIGN_IN}`,
      link_invalid: `${GONE} If you have not joined yet, ask for another invitation.`,
    },
  },
};

/** Texts for a refusal, unless the page has its own. */
const refusals = {
  rate_limited: (wait) => `There were too many attempts. Try again ${wait}.`,
  unavailable: (wait) => `The service is temporarily unavailable. Try again ${wait}.`,
  unreachable: () => "The server could not be reached. Check your connection and try again.",
  weak_password: () => "This password is too easy to guess. Choose a longer one, or one of several unrelated words.",
};
const OF_PASSWORD = ["invalid_credentials", "weak_password"];
/** Refusals that no other input on this page can change. */
const FINAL =
  ["link_invalid", "slug_taken", "email_taken", "already_member", "tenant_suspended", "registration_closed"];

const purpose = purposes[document.documentElement.dataset.purpose];
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
// A second link opened in this tab changes only the fragment, so the browser does not load the page again.
addEventListener("hashchange", () => location.reload());

show.addEventListener("change", reveal);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  run(questions.hidden ? purpose.prepare : send);
});
if (token) run(purpose.prepare);
else say("bad", "This page needs the complete link from the email. Open the link in the email again.");

/** Runs one step at a time, however often the button is pressed. */
async function run(step) {
  if (submit.disabled) return;
  submit.disabled = true;
  submit.textContent = "One moment…";
  result.className = "";
  result.replaceChildren();
  try {
    await step();
  } finally {
    submit.textContent = questions.hidden ? "Try again" : purpose.button;
    submit.disabled = false;
  }
}

/** Shows the form with the questions that this page needs. */
function ask({ label, isNew = false, isTwice = false, withName = false, email = "" }) {
  password.labels[0].textContent = label;
  password.autocomplete = isNew ? "new-password" : "current-password";
  document.getElementById("password-hint").textContent =
    isNew ? "8 to 128 characters. A few unrelated words make a good one." : "";
  document.getElementById("show-label").textContent = isTwice ? "Show the passwords" : "Show the password";
  username.value = email;
  for (const [input, isAsked] of [[username, email], [name, withName], [again, isTwice]]) {
    input.closest(".field").hidden = !isAsked;
  }
  questions.hidden = form.hidden = false;
}

async function lookUp() {
  offer.textContent = "Looking up the invitation…";
  const answer = await call("invitations/lookup", { token });
  offer.textContent = "";
  if (!answer.success) return refuse(answer);
  const { tenant, email, inviter, newPerson } = answer.data;
  offer.append(named(inviter), " invites ", named(email), " to join ", named(tenant.name), ".");
  const label = newPerson ? "Choose a password" : "Password of your account";
  ask({ label, isNew: newPerson, withName: newPerson, email });
}

async function send() {
  show.checked = false;
  reveal();
  const asked = Object.values(inputs).filter((input) => !input.closest(".field").hidden);
  for (const input of asked) mark(input, input.value ? "" : "Please fill this in.");
  if (asked.includes(again) && again.value && again.value !== password.value) {
    mark(again, "This is not the same password.");
  }
  if (asked.some((input) => input.ariaInvalid)) return say("bad", "Please correct what is marked below.");

  const answers = { token, password: password.value };
  if (asked.includes(name)) answers.name = name.value;
  const answer = await call(purpose.path, answers);
  if (!answer.success) return refuse(answer);
  // Opening an email must not leave the user signed in.
  const refreshToken = answer.data?.refreshToken;
  if (refreshToken) await call("auth/logout", { refreshToken }, 5_000);
  end();
  say("good", purpose.done);
}

/** Shows why the request was refused. */
function refuse({ status, error, wait, requestId }) {
  if (status === 401) password.value = "";
  if (OF_PASSWORD.includes(error.code)) password.ariaInvalid = "true";
  const details = error.details ?? [];
  const elsewhere = details.filter(({ field, message }) => !(inputs[field] && mark(inputs[field], message)));
  let text = purpose.refusals[error.code] ?? refusals[error.code]?.(wait);
  if (elsewhere.length < details.length) text ??= "Please correct what is marked below.";
  const lines = [text ?? error.message, ...elsewhere.map(({ field, message }) => `${field}: ${message}`)];
  if (!text && requestId) lines.push(`Request id: ${requestId}`);
  if (FINAL.includes(error.code)) end();
  else form.hidden = false;
  say("bad", ...lines);
}

/** Posts to the API. Without a response of the API it returns a refusal too. */
async function call(path, body, timeoutMs = 30_000) {
  try {
    const response = await fetch(`/api/v1/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      credentials: "omit",
      keepalive: true,
      signal: AbortSignal.timeout(timeoutMs),
    });
    const { status, headers } = response;
    if (status === 204) return { success: true };
    const answer = understood(await response.text(), status);
    return { ...answer, status, wait: waiting(Number(headers.get("Retry-After"))) };
  } catch {
    return { error: { code: "unreachable" } };
  }
}

/** Returns the envelope of a response, or a substitute if the response comes from a proxy. */
function understood(text, status) {
  try {
    const answer = JSON.parse(text);
    if (answer.success || answer.error.code) return answer;
  } catch {
    // The response does not come from the API.
  }
  const code = status === 429 ? "rate_limited" : "";
  return { error: { code, message: `The server sent a response that this page cannot read (status ${status}).` } };
}

function waiting(seconds) {
  if (!(seconds > 0)) return "later";
  const [count, unit] = seconds < 100 ? [Math.ceil(seconds), "second"] : [Math.ceil(seconds / 60), "minute"];
  return `in ${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** Shows an error at a field. Returns `false` if the page does not show the field. */
function mark(input, message) {
  if (input.closest(".field").hidden) return false;
  input.ariaInvalid = message ? "true" : null;
  document.getElementById(`${input.id}-error`).textContent = message;
  return true;
}

function say(kind, ...lines) {
  result.className = kind;
  result.replaceChildren(...lines.map((line) => element("p", line)));
  result.focus();
}

/** Isolates a name that a user has chosen: a right-to-left name must not reorder the text around it. */
function named(text) {
  return element("bdi", text);
}

function element(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

function reveal() {
  password.type = again.type = show.checked ? "text" : "password";
}

/** Ends the page: removes the form and all input. */
function end() {
  form.reset();
  form.hidden = true;
}
