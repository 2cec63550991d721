/** The proxy settings that a host has in its environment, for all that fetches while an image is made. */

/** Those of an environment, by the names that tools know: `http_proxy` and its like, in either case. */
export const proxies = (environment: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      /^(https?|ftp|no|all)_proxy$/i.test(name) && value !== undefined ? [[name, value]] : []
    )
  )
