/** As much of noVNC as we use; see `crates/portal/assets/novnc`. */
declare module "*/novnc.js" {
  export default class RFB extends EventTarget {
    constructor(target: HTMLElement, channel: WebSocket, options?: { shared?: boolean });
    viewOnly: boolean;
    scaleViewport: boolean;
    resizeSession: boolean;
    disconnect(): void;
    focus(): void;
  }
}
