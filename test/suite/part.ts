/**
 * How much of what is exhaustive a run does. `npm test` does a part, another one each time, and what it did is in its
 * output; `npm run test:whole` does all.
 */
export const isWhole = process.env["REDD_TEST_WHOLE"] !== undefined

/** All of these, or one of each `by`, in their order. */
export const partOf = <A>(all: ReadonlyArray<A>, by = 3): ReadonlyArray<A> => {
  const steps = stepsOf(by)
  return all.filter((_, index) => index % steps.by === steps.first)
}

/** Each number from 0 on, or one of each `by`: for what does not say how many there are. */
export const stepsOf = (by = 3): { readonly first: number; readonly by: number } =>
  isWhole ? { first: 0, by: 1 } : { first: Math.floor(Math.random() * by), by }
