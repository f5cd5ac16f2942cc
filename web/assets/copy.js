// copy takes a command to the clipboard, and says so.
export async function copy(pre, status) {
  try {
    await navigator.clipboard.writeText(pre.textContent);
    status.textContent = "Copied";
  } catch { // browsers allow it over https and on this machine only
    getSelection().selectAllChildren(pre);
    status.textContent = "Selected: copy it with Ctrl+C";
  }
  setTimeout(() => { status.textContent = ""; }, 4000);
}
