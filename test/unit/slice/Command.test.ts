import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { compose, type Start } from "../../../src/slice/Command.ts"

const start: Start = {
  entrance: { words: [], environment: {}, descriptors: [], processOf: Effect.succeed },
  folder: "/srv",
  program: "/usr/bin/player",
  args: ["--loud", "a b"],
  environment: { PATH: "/bin", SECRET: "s3cret" },
  user: undefined
}
const entrance = {
  words: ["/usr/bin/systemd-run", "--user", "--"],
  environment: { XDG_RUNTIME_DIR: "/run/user/1000", DBUS_SESSION_BUS_ADDRESS: "unix:path=/run/user/1000/bus" },
  descriptors: [],
  processOf: Effect.succeed<number>
}

describe("the words that start a command", () => {
  it("enter the place first, and end in the command's own", () => {
    const { words } = compose({ ...start, entrance })
    assert.deepStrictEqual(words.slice(0, 5), ["/usr/bin/systemd-run", "--user", "--", "/bin/sh", "-c"])
    assert.deepStrictEqual(words.slice(-3), ["/usr/bin/player", "--loud", "a b"])
  })

  it("hold nothing of its environment", () => {
    assert.notInclude(compose({ ...start, entrance }).words.join(" "), "s3cret")
  })

  it("give it no variable that only its entrance needs", () => {
    const { environment, words } = compose({ ...start, entrance })
    assert.strictEqual(environment["XDG_RUNTIME_DIR"], "/run/user/1000")
    assert.include(words.join(" "), "/usr/bin/env -u XDG_RUNTIME_DIR -u DBUS_SESSION_BUS_ADDRESS /usr/bin/player")
  })

  it("give back a variable of its own that its entrance needs with another value", () => {
    const environment = { XDG_RUNTIME_DIR: "/run/user/1000", DBUS_SESSION_BUS_ADDRESS: "unix:path=/tmp/mine" }
    const { words } = compose({ ...start, entrance, environment })
    assert.include(words.join(" "), "/usr/bin/env DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/mine /usr/bin/player")
  })

  it("make it another user's after the place was entered, with that user's home", () => {
    const user = { name: "kiosk", uid: "1001", gid: "1002", home: "/home/kiosk", shell: "/bin/sh" }
    const { environment, words } = compose({ ...start, entrance, user })
    assert.isAbove(words.indexOf("--reuid=1001"), words.indexOf("/usr/bin/systemd-run"))
    assert.include(words, "--regid=1002")
    assert.deepInclude(environment, { HOME: "/home/kiosk", USER: "kiosk", LOGNAME: "kiosk" })
  })
})
