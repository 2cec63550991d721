/**
 * How much of what is exhaustive a run does. `npm test` does a part, another one each time, and what it did is in its
 * output; `npm run test:whole` does all.
 */
export const isWhole = process.env["REDD_TEST_WHOLE"] !== undefined

/** All of these, or a third of them, in their order. */
export const partOf = <A>(all: ReadonlyArray<A>): ReadonlyArray<A> => {
  if (isWhole) return all
  const first = Math.floor(Math.random() * stride)
  return all.filter((_, index) => index % stride === first)
}

/** From a first number on, each one, or each third one: for what does not say how many there are. */
export const stepsOf = (): { readonly first: number; readonly by: number } =>
  isWhole ? { first: 0, by: 1 } : { first: Math.floor(Math.random() * stride), by: stride }

const stride = 3
