/** A question to the person at the terminal. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Descriptor } from "../../src/index.ts"

/** Yes where the answer begins with y; anything else, and the end of the input, is no. */
export const yesOrNo = (question: string): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    yield* Effect.ignore(Descriptor.write(2, new TextEncoder().encode(`${question} [y/N] `)))
    const answer = yield* Stream.runHead(Descriptor.stdin).pipe(Effect.orElseSucceed(() => Option.none<Uint8Array>()))
    return Option.exists(answer, (bytes) => /^y/i.test(new TextDecoder().decode(bytes).trim()))
  })
