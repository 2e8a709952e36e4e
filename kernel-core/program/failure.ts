/** What a program that threw says on standard error. */

/** @param error anything: a hostile object's getters and conversions may throw themselves */
export function describeFailure(error: unknown): string {
  try {
    if (error instanceof Error) return String(error.stack ?? error);
    return `uncaught: ${String(error)}`;
  } catch {
    return 'uncaught: something that cannot be shown';
  }
}
