// A canteen of its own for each test: a temporary data folder, the sample menu, a server with keys for staff.
import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
const program = join(root, "bin/gakushoku");

export class Canteen {
  static async open() {
    const c = new Canteen();
    c.dir = mkdtempSync(join(tmpdir(), "gakushoku-browser-"));
    execFileSync(program, ["menu", "import", join(root, "events/menu.csv"), "--data", join(c.dir, "data")], { stdio: "ignore" });
    await c.start("127.0.0.1:0");
    const day = new Date(Date.now() + 9 * 3600e3).toISOString().slice(0, 10);
    await c.put(`/stock/${day}/katsu-curry`, { portions: 4 });
    await c.put(`/stock/${day}/curry`, { portions: 0 });
    return c;
  }

  async start(addr) {
    this.server = spawn(program, ["serve", "--data", join(this.dir, "data"), "--addr", addr, "--ops-addr", "none", "--stop-grace", "100ms"], {
      env: { ...process.env, GAKUSHOKU_API_KEYS: "till:cashier=cashier-key,screen:kitchen=kitchen-key,boss:operator=operator-key" },
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.url = await new Promise((done, failed) => {
      let text = "";
      this.server.stdout.on("data", (data) => {
        text += data;
        const found = /serves (http\S+)/.exec(text);
        if (found) done(found[1]);
      });
      this.server.on("exit", (code) => failed(new Error(`the server ended with ${code}: ${text}`)));
    });
  }

  async stop() {
    if (this.server.exitCode !== null) return;
    const ended = new Promise((done) => this.server.on("exit", done));
    this.server.kill("SIGTERM");
    await ended;
  }

  async close() {
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async put(path, body) {
    const response = await fetch(this.url + path, {
      method: "PUT", body: JSON.stringify(body), headers: { "content-type": "application/json", "x-api-key": "operator-key" },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  }
}
