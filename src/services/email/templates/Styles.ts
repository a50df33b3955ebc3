const font =
  "font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;"

/** Inline styles, because many mail clients support no others. The classes in the templates are for dark mode. */
export const styles = {
  body: `margin:0;padding:0;background-color:#f3f4f6;${font}-webkit-text-size-adjust:100%;word-break:break-word;overflow-wrap:anywhere;`,
  preview: "display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;mso-hide:all;",
  outer: "background-color:#f3f4f6;",
  inner: "max-width:600px;width:100%;",
  name: `padding:0 4px 20px;${font}font-size:16px;line-height:24px;font-weight:600;color:#111827;`,
  card: "background-color:#ffffff;border:1px solid #e5e7eb;border-radius:12px;padding:40px;",
  heading: `margin:0;${font}font-size:24px;line-height:32px;font-weight:600;letter-spacing:-0.01em;color:#111827;`,
  prose: `margin:16px 0 0;${font}font-size:16px;line-height:26px;color:#374151;`,
  aside: `margin:24px 0 0;${font}font-size:14px;line-height:22px;color:#6b7280;`,
  button: "margin:28px 0 0;",
  buttonCell: "border-radius:8px;background-color:#1f2937;",
  label: `display:inline-block;padding:13px 24px;${font}font-size:16px;line-height:22px;font-weight:600;color:#ffffff;text-decoration:none;border-radius:8px;`,
  address: `margin:20px 0 0;${font}font-size:13px;line-height:20px;color:#6b7280;`,
  url: "color:#6b7280;text-decoration:underline;word-break:break-all;overflow-wrap:anywhere;",
  caption: `margin:28px 0 8px;${font}font-size:14px;line-height:22px;font-weight:600;color:#111827;`,
  figures: "border-collapse:collapse;",
  figure: `padding:10px 0;border-top:1px solid #e5e7eb;text-align:left;${font}font-size:15px;line-height:22px;font-weight:400;color:#6b7280;`,
  value: `padding:10px 0;border-top:1px solid #e5e7eb;text-align:right;${font}font-size:15px;line-height:22px;font-weight:600;color:#111827;font-variant-numeric:tabular-nums;`,
  foot: `padding:20px 4px 0;${font}font-size:13px;line-height:20px;color:#6b7280;`,
}
