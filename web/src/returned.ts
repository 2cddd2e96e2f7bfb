/**
 * Whether the page comes back, by a reload or by the browser's arrows. Then nothing may come late: only where the page
 * is as high as it was does the browser find the reader's place again.
 */
export function returned(): boolean {
  const [visit] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return visit?.type === "reload" || visit?.type === "back_forward";
}
